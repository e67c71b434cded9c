"""How gunicorn serves epicops; the address comes from the command line (--bind)."""

wsgi_app = "epicops.wsgi:application"
worker_class = "gthread"
workers = 2
threads = 4
timeout = 30  # seconds; a worker that hangs so long is replaced
graceful_timeout = 30
keepalive = 20  # seconds, longer than nginx keeps its own idle connections: neither writes into a closed one
max_requests = 5000
max_requests_jitter = 500
limit_request_line = 4094
limit_request_fields = 60
worker_tmp_dir = "/dev/shm"  # noqa: S108  heartbeats must not wait for a disk
accesslog = "-"
# The path without its query string: what people search for may be patient data.
access_log_format = '{"event":"request","method":"%(m)s","path":"%(U)s","status":%(s)s,"milliseconds":%(M)s}'
control_socket_disable = True
