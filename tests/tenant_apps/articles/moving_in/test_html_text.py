"""HTML to Markdown: the words stay, what Markdown has is used, what is lost is named."""

import re

import pytest
from django.utils.html import strip_tags

from tenant_apps.articles.moving_in.html_text import convert_html, plain_text
from tenant_apps.articles.rendering import render_markdown


def words_of(html: str) -> list[str]:
    return re.findall(r"\w+", plain_text(html))


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        (
            "<p>One <em>two</em> <strong>three</strong> <del>four</del></p>",
            "One *two* **three** ~~four~~",
        ),
        ("<h2>Title</h2><p>Text</p>", "## Title\n\nText"),
        ('<p><a href="/x" title="T">there</a></p>', '[there](/x "T")'),
        ("<p>line<br>line</p><p>end<br></p>", "line\\\nline\n\nend"),
        ('<img src="/a b.png" alt="A [b]">', "![A \\[b\\]](</a b.png>)"),
        ('<a href="/big.png"><img src="/s.png" alt="s"></a>', "[![s](/s.png)](/big.png)"),
        (
            '<figure><img src="/s.png" alt=""><figcaption>Words</figcaption></figure>',
            "![](/s.png)\n\n*Words*",
        ),
        ("<ul><li>a<ol><li>b</li></ol></li></ul>", "- a\n  1. b"),
        ("<blockquote><p>Said</p></blockquote>", "> Said"),
        ('<pre><code class="language-py">a = 1\n\n\nb</code></pre>', "```py\na = 1\n\n\nb\n```"),
        ('<pre class="brush: php; title: x">a\\\n\nb</pre>', "```php\na\\\n\nb\n```"),
        ("<p>use <code>a_b*c</code> now</p>", "use `a_b*c` now"),
        ("<p>2 * 3 * 4 and a_b_c # no</p>", "2 \\* 3 \\* 4 and a\\_b\\_c \\# no"),
        ("<dl><dt>Term</dt><dd>Meaning</dd></dl>", "**Term**\n\n- Meaning"),
        ("<p>H<sub>2</sub>O, m<sup>2</sup></p>", "H₂O, m²"),
        (
            "<table><tr><th>a</th><th>b|c</th></tr><tr><td colspan=2>x</td></tr></table>",
            "| a | b\\|c |\n| --- | --- |\n| x | |",
        ),
        ("", ""),
        ("<p>  </p>", ""),
    ],
)
def test_html_becomes_the_markdown_that_says_it(html: str, markdown: str) -> None:
    converted = convert_html(html)
    assert re.sub(r" +\|", " |", converted.markdown.strip()) == markdown
    assert converted.losses == ()


@pytest.mark.parametrize(
    ("html", "markdown", "loss"),
    [
        ("<p>a</p><script>alert(1)</script>", "a", "a script"),
        ("<form><p>Say</p><input name=x></form>", "Say", "a form"),
        ('<iframe src="//www.youtube.com/embed/x"></iframe>',
         "[https://www.youtube.com/embed/x](https://www.youtube.com/embed/x)", "embedded page"),
        ('<video><source src="/v.mp4"></video>', "[/v.mp4](/v.mp4)", "video is a link"),
        ('<a href="javascript:alert(1)">x</a>', "x", "javascript:"),
        ('<img src="data:image/png;base64,AAAA">', "", "written into the text"),
        ("<table><tr><td rowspan=2>a</td><td>b</td></tr></table>", None, "spans rows"),
    ],
)  # fmt: skip
def test_what_is_lost_is_named(html: str, markdown: str | None, loss: str) -> None:
    converted = convert_html(html)
    assert any(loss in sentence for sentence in converted.losses), converted.losses
    if markdown is not None:
        assert converted.markdown.strip().replace("\\_", "_") == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("One\nline\n\nTwo", "One\\\nline\n\nTwo"),
        ("<!-- wp:paragraph --><p>One</p><!-- /wp:paragraph -->", "One"),
        ("Before<!--more-->after", "Beforeafter"),
        (
            '[caption id="a" width="3"]<img src="/a.png" alt="A" /> Words[/caption]',
            "![A](/a.png)\n\n*Words*",
        ),
        ("[embed]https://vimeo.com/1[/embed]", "[https://vimeo.com/1](https://vimeo.com/1)"),
        ('[gallery ids="7,8"]', "![](/7.png)\n\n![](/8.png)"),
        ('[video src="/v.mp4"][/video]', "[/v.mp4](/v.mp4)"),
        (
            '[sourcecode language="python"]\na = 1\n\nb = 2\n[/sourcecode]',
            "```python\na = 1\n\nb = 2\n```",
        ),
    ],
)
def test_wordpress_keeps_texts_its_own_way(text: str, markdown: str) -> None:
    converted = convert_html(text, is_plain=True, attachments={"7": "/7.png", "8": "/8.png"})
    assert (converted.markdown.strip(), converted.losses) == (markdown, ())


def test_unknown_shortcode_stands_and_is_named() -> None:
    converted = convert_html("See [contact-form-7 id=3] and [1]", is_plain=True)
    assert "contact-form-7" in converted.markdown
    assert converted.losses == ("The shortcode [contact-form-7] stands in the text as it was.",)


def test_words_that_are_nested_too_deep_are_kept_and_it_is_named() -> None:
    converted = convert_html("<div>" * 5_000 + "*Words*" + "</div>" * 5_000)
    assert converted.markdown == "\\*Words\\*\n"
    [loss] = converted.losses
    assert "too deep" in loss


def test_links_lead_on() -> None:
    moved = {"https://old.example/?p=1": "/articles/one/"}
    html = '<p><a href="https://old.example/?p=1">one</a> <img src="https://old.example/?p=1"></p>'
    converted = convert_html(html, lead_on=lambda address: moved.get(address, address))
    assert converted.markdown.strip() == "[one](/articles/one/) ![](/articles/one/)"


@pytest.mark.parametrize(
    "html",
    [
        "<p>a &lt;script&gt;alert(1)&lt;/script&gt; b</p>",
        '<p>[x](javascript:alert(1)) <a href="&#106;avascript:alert(1)">y</a></p>',
        '<img src="x" onerror="alert(1)"><svg onload=alert(1)>',
        '<p><a href="https://e.example/" onclick="alert(1)">z</a></p>',
        "<math><mtext><style><img src=x onerror=alert(1)></style>",
    ],
)
def test_what_is_shown_of_it_runs_nothing(html: str) -> None:
    shown = render_markdown(convert_html(html).markdown)
    assert "<script" not in shown
    assert not re.search(r"<[^>]*(javascript:|onerror|onclick|onload)", shown)


def test_no_word_is_lost_and_none_is_added() -> None:
    html = (
        "<h1>First</h1><p>Some <b>bold</b>, <i>italic</i>, <u>underlined</u> <abbr>NBA</abbr>"
        " words_with_lines 1. not a list - nor this + or * that</p>"
        "<ol><li>one<ul><li>two</li></ul></li><li>three</li></ol>"
        "<blockquote><p>Quoted<br>twice</p><p>again</p></blockquote><table><tr><th>a</th></tr><tr><td>b</td>"
        "</tr></table><pre>code  here</pre><hr><p># no heading</p><p>1) no list</p>"
    )
    converted = convert_html(html)
    assert words_of(render_markdown(converted.markdown)) == words_of(html)
    assert "<h2>no heading" not in render_markdown(converted.markdown)
    assert strip_tags(render_markdown(converted.markdown)).count("no list") == 1
