// Swagger UI over this workspace's own document. What it sends counts as the page's own: with the
// session, and the token against forged requests.
const place = document.getElementById("api-document");

const cookie = (ending) =>
  document.cookie
    .split("; ")
    .map((pair) => pair.split("="))
    .find(([name]) => name.endsWith(ending))?.[1] ?? "";

window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  syntaxHighlight: false,
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = cookie("terrace_csrf");
    }
    return request;
  },
});
