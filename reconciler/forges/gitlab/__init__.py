"""GitLab, by its REST API of version 4. What others call a pull request is a merge request in here alone."""
