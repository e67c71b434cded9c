"""How gunicorn serves epicops; the address comes from the command line (--bind)."""

from typing import Any

wsgi_app = "epicops.wsgi:application"
worker_class = "gthread"
workers = 2
threads = 4
timeout = 30  # seconds; a worker that hangs so long is replaced
graceful_timeout = 30
keepalive = 20  # seconds, longer than nginx keeps its own idle connections: neither writes into a closed one
max_requests = 200_000  # a start takes seconds of processor time; at 60 polls a second this is one an hour
max_requests_jitter = 20_000
limit_request_line = 4094
limit_request_fields = 60
worker_tmp_dir = "/dev/shm"  # noqa: S108  heartbeats must not wait for a disk
accesslog = "-"
# The path without its query string: what people search for may be patient data.
access_log_format = (
    '{"event":"request","method":"%(m)s","path":"%(U)s","status":%(s)s,"milliseconds":%(M)s,'
    '"request_id":"%({x-request-id}o)s"}'
)
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Let no request pay for knowing whether Redis may be believed; keep copies of what the cache holds, and count.

    What gunicorn says of requests is logged as all else: it quotes their queries, and exceptions. With another role's
    Redis user nothing starts; one whose rights are taken away later serves everybody from PostgreSQL.
    """
    from epicops.logs import take_over  # noqa: PLC0415
    from sessions_app.permission import refuse_another_user  # noqa: PLC0415
    from sessions_app.trust import watch  # noqa: PLC0415  Django is set up by now
    from vitals.counts import publish_always  # noqa: PLC0415
    from vitals.local_copy import keep_copies  # noqa: PLC0415

    if worker.age <= worker.cfg.workers:  # of those that the start makes
        refuse_another_user()
    take_over("gunicorn.error")
    watch()
    keep_copies()
    publish_always()
