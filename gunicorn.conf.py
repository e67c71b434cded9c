"""How gunicorn serves epicops; the address comes from the command line (--bind)."""

wsgi_app = "epicops.wsgi:application"
worker_class = "gthread"
workers = 2
threads = 4
accesslog = "-"
# The path without its query string: what people search for may be patient data.
access_log_format = '{"event":"request","method":"%(m)s","path":"%(U)s","status":%(s)s,"milliseconds":%(M)s}'
control_socket_disable = True
