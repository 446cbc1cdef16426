"""Of a server that nobody may read without a token: whatever is asked, the answer is that."""

import schemathesis


@schemathesis.check
def closed(ctx, response, case):
    # A request that is not even one, or that took too long, is told so first.
    assert response.status_code in (400, 401, 413, 431), response.status_code
    if response.status_code == 401:
        assert set(response.json()) == {"error"}, "no more than that"
