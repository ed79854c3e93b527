"""Texts of Jobs, and of a release whose way back has steps."""


def job(name: str, tag: str = "v1") -> str:
    """A Job of a source."""
    return f"""apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: it, image: "registry.example.invalid/db:{tag}"}}]
"""


def with_steps(text: str, *, said: str = ", reversible: true", automatic: bool = True) -> str:
    """A release's text with a way back of five steps."""
    asked = "{http: {url: 'http://svc-a.svc-a.svc.cluster.local/healthz'}}"
    first = f"{{action: stop_traffic}}, {{action: migrate_database, job: downgrade{said}}}, {{action: roll_back}}"
    return (
        f"{text.replace('  rollback: {automatic: true}', '').rstrip()}\n  rollback:\n"
        f"    automatic: {str(automatic).lower()}\n    success: [{asked}]\n"
        f"    steps: [{first}, {{action: restore_traffic}}, {{action: verify}}]\n"
    )
