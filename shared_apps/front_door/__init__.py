"""The public site: landing page, sign-up, progress of a new workspace, find-my-workspace."""
