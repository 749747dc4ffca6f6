#!/usr/bin/perl

# Redis over TLS: only to the one whose certificate is right, and with a
# certificate of our own if it wants one; sessions are used again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::SSL;
use IO::Socket::UNIX;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $dir = $t->dir;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
$t->certificate('gate');
$t->certificate('redis', extra => 'subjectAltName = DNS:redis.example.jp');
$t->certificate('other', extra => 'subjectAltName = DNS:other.example.jp');
$t->certificate('stranger', ca => 'another',
                extra => 'subjectAltName = DNS:redis.example.jp');

my $tls = $t->port;
my $redis = $t->redis(options => [
    '--tls-port', $tls, '--tls-cert-file', "$dir/redis.crt", '--tls-key-file',
    "$dir/redis.key", '--tls-ca-cert-file', "$dir/ca.pem",
    '--tls-auth-clients', 'no'
]);

my $trusted = "ssl on; ssl_trusted_certificate $dir/ca.pem;";
my $name = 'ssl_name redis.example.jp;';
my $own = "ssl_certificate $dir/gate.crt; ssl_certificate_key $dir/gate.key;";
my $nginx = $t->nginx(conf("127.0.0.1:$tls", "$trusted $name"));
my $n = 0;

is(ask(), 200, 'its certificate is good');
is($t->settled($redis, "{user$n}:counted", 'bytes-1h', 1000), 1000,
   'what is taken is counted');

for (
    [ other => "$trusted $name",
      qr/its certificate is not for "redis\.example\.jp"/ ],
    [ stranger => "$trusted $name", qr/its certificate does not verify: unable/ ],
    [ stranger => "ssl on; $name ssl_verify off;" ],
    [ other => "$trusted ssl_name other.example.jp;" ],
    [ redis => '', qr/closed by the server|reading failed/ ],
) {
    my ($certificate, $words, $why) = @$_;

    with($certificate);
    $nginx->stop;
    $nginx->start(conf("127.0.0.1:$tls", $words));

    my $what = "$certificate, " . ($words =~ s/ssl_trusted_\S+ \S+ //r
                                   || 'no TLS');

    is(ask(), $why ? 503 : 200, $what);
    ok($nginx->said(qr/\[error\].* redis is lost: $why/),
       "$what: the error log says so") if $why;
}

# it wants to know who we are

$redis->command('CONFIG', 'SET', 'tls-auth-clients', 'yes');
with('redis');

$nginx->stop;
$nginx->start(conf("127.0.0.1:$tls", "$trusted $name"));
is(ask(), 503, 'Redis wants a certificate, and there is none');

$nginx->stop;
$nginx->start(conf("127.0.0.1:$tls", "$trusted $name $own"));
is(ask(), 200, 'Redis wants a certificate, and gets it');

# one that expires in 30 days

$nginx->stop;
$nginx->{ahead} = 31 * 86400;
$nginx->start(conf("127.0.0.1:$tls", "$trusted $name $own"));
is(ask(), 503, 'its certificate has expired');
ok($nginx->said(qr/redis is lost: its certificate does not verify: .*expired/),
   'the error log says so');

# what speaks no TLS

$nginx->stop;
delete $nginx->{ahead};
$nginx->start(conf("unix:$redis->{socket}", "$trusted $name"));
is(ask(), 503, 'Redis speaks no TLS');
ok($nginx->said(qr/redis is lost: (the TLS handshake failed|connecting timed)/),
   'the error log says so');

# a session

my $port = $t->port;
my $proxy = proxy($port);

$nginx->stop;
$nginx->start(conf("127.0.0.1:$port", "$trusted $name", 1));
$t->wait_for(sub { ask() == 200 });

# the connection that hears of holds may be the next one, which has none yet

$t->wait_for(sub {
    return 1 if $t->read_file('reused') =~ /^0\n.*1\n/s;
    kill HUP => $proxy;
    ask();
    return 0;
});
like($t->read_file('reused'), qr/^0\n.*1\n/s,
     'a second connection uses the session again');

kill KILL => $proxy;
waitpid $proxy, 0;

$t->done;

sub with {
    my ($certificate) = @_;

    $redis->command('CONFIG', 'SET', 'tls-cert-file', "$dir/$certificate.crt",
                    'tls-key-file', "$dir/$certificate.key");
}

sub ask {
    return $t->as('1.1', 'user' . ++$n, '/document')->{status};
}

sub conf {
    my ($server, $words, $workers) = @_;

    return $t->conf(workers => $workers // 2, http => <<END, server => <<'END2');
    gate_redis { server $server; timeout 5s; $words }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=1g per=1h;
    }
END
        gate  counted;
END2
}

# Ends TLS in front of Redis, and notes whether a session was used again.

sub proxy {
    my ($port) = @_;

    my $listening = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port",
                                          Listen => 8, ReuseAddr => 1)
        or die "port $port: $!";

    $t->write_file('reused', '');

    my $pid = fork // die "fork: $!";

    return $pid if $pid;

    my $context = IO::Socket::SSL::SSL_Context->new(
        SSL_server => 1, SSL_cert_file => "$dir/redis.crt",
        SSL_key_file => "$dir/redis.key", SSL_session_id_context => 'redis');
    my $dropped = 0;

    local $SIG{HUP} = sub { $dropped = 1 };
    local $SIG{PIPE} = 'IGNORE';

    while (1) {
        my $client = $listening->accept or next;

        IO::Socket::SSL->start_SSL($client, SSL_server => 1,
                                   SSL_reuse_ctx => $context) or next;

        open my $fh, '>>', "$dir/reused";
        print $fh $client->get_session_reused ? "1\n" : "0\n";
        close $fh;

        my $server = IO::Socket::UNIX->new(Peer => $redis->{socket});
        my $both = IO::Select->new($client, $server);

        $dropped = 0;

        until ($dropped) {
            my ($data, $end);

            for ($client->pending ? $client : $both->can_read(0.1)) {
                $end = 1 if !sysread $_, $data, 16384;
                syswrite $_ == $client ? $server : $client, $data;
            }

            last if $end;
        }

        $client->close;
        $server->close;
    }
}
