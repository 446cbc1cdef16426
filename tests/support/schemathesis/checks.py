"""What Schemathesis checks of every answer beside its own checks."""

import schemathesis

# A page has at most 1000 items; what is larger here has no bound.
MOST_OCTETS = 4 << 20

# On every answer of the API.
ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "x-frame-options": "DENY"}


@schemathesis.check
def bounded(ctx, response, case):
    assert len(response.content) <= MOST_OCTETS, f"{len(response.content)} octets"
    if "limit" in (case.query or {}) and response.status_code == 200:
        page = response.json()
        assert len(page["items"]) <= 1000, f"{len(page['items'])} items"


@schemathesis.check
def guarded(ctx, response, case):
    for name, value in ALWAYS.items():
        assert response.headers.get(name) == [value] or response.headers.get(name) == value, name


@schemathesis.check
def explained(ctx, response, case):
    """Whoever is refused is told why."""
    if response.status_code in (400, 401, 403, 404, 415, 421, 429):
        assert response.json()["error"].strip(), "a reason"
