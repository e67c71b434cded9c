# Shell functions for the runbooks, as the users admin and peer.
redis() {
    case $2 in
        sessions) port=6379 ;;
        queue) port=6380 ;;
        cache) port=6381 ;;
    esac
    host=$1; shift 2
    REDISCLI_AUTH=example-password-of-admin redis-cli --user admin --tls --cacert /etc/epicops/tls/ca.crt --cert /etc/epicops/tls/admin.crt --key /etc/epicops/tls/admin.key -h "$host" -p "$port" "$@"
}
cluster() {
    REDISCLI_AUTH=example-password-of-admin redis-cli --user admin --tls --cacert /etc/epicops/tls/ca.crt --cert /etc/epicops/tls/admin.crt --key /etc/epicops/tls/admin.key --no-auth-warning --cluster "$@"
}
sentinel() {
    host=$1; shift
    REDISCLI_AUTH=example-password-of-peer redis-cli --user peer --tls --cacert /etc/epicops/tls/ca.crt --cert /etc/epicops/tls/admin.crt --key /etc/epicops/tls/admin.key -h "$host" -p 26379 "$@"
}
manage() (
    cd "${EPICOPS_HOME:-/opt/epicops}" && PATH=$PWD/.venv/bin:$PATH || exit
    env $(cat /etc/epicops/epicops.env /etc/epicops/admin.env) ${DATABASE:+EPICOPS_DATABASE_URL="$DATABASE"} \
        python manage.py "$@"
)
database() {
    url=$(sed -n 's/^EPICOPS_DATABASE_URL=//p' /etc/epicops/epicops.env)
    if [ $# -gt 0 ]; then url=$(printf %s "$url" | sed -E "s,/[^/?]+([?]|$),/$1\1,"); fi
    printf %s "$url"
}
