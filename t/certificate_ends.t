#!/usr/bin/perl

# A certificate ends, or a CA of it, while it holds connections and sessions:
# the next request on each is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);

# alice's certificate ends in an hour, and so does the CA of bob's, which does
# not; nginx' clock is set by us

my $end = time + 3600;
my $later = $t->write_file('later', pack 'l!l!', 0, 0);

$t->forge('alice', cn => [ [ utf8 => 'alice' ] ], after => $end);
$t->certificate('key');
$t->openssl('pkey', '-in', "$t->{dir}/key.key", '-pubout', '-outform', 'DER',
            '-out', "$t->{dir}/key.der");
$t->forge('sub', cn => [ [ utf8 => 'sub' ] ], after => $end,
          key => $t->read_file('key.der'),
          extensions => [ [ "\x06\x03\x55\x1d\x13", 1, "\x30\3\1\1\xff" ] ]);
$t->write_file('sub.pem', $t->read_file('sub.pem')
                          =~ s/(END CERTIFICATE-----\n).*/$1/sr);
$t->write_file('sub.key', $t->read_file('key.key'));
$t->certificate('bob', ca => 'sub', with => 'sub');
$t->write_file('cas.pem', join '', map { $t->read_file("$_.pem") } qw(ca sub));

$t->backend('slow', sub {
    my ($socket) = @_;

    $t->write_file("begun.$$", '');
    $t->wait_for(sub { -e "$t->{dir}/go" }, 60);
    print $socket "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                  . "Connection: close\r\n\r\nok";
});

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2')
    ssl_protocols        TLSv1.2 TLSv1.3;
    ssl_session_cache    shared:sessions:1m;
    ssl_session_timeout  1d;
    gate_policy staff { user $gate_cert_cn; }
END
        ssl_verify_depth  2;
        gate              staff;
        location /slow { proxy_pass http://unix:%%DIR%%/slow.sock; }
END2
    =~ s{%%DIR%%/ca.pem}{%%DIR%%/cas.pem}r, later => $later);

my (%sessions, %kept, %http2);

for my $who ('alice', 'bob') {
    for my $version ('TLSv1_2', 'TLSv1_3') {
        my $what = "$who, $version";

        $sessions{$what} = {
            SSL_version => $version, SSL_session_key => 'key',
            SSL_session_cache => IO::Socket::SSL::Session_Cache->new(9) };
        $kept{$what} = $t->client(cert => $who, tls => $sessions{$what});

        is($kept{$what}->request('/report')->{status}, 200,
           "$what: passes while it is valid");
    }

    my $uris = join ' ', map { "-o /dev/null https://127.0.0.1:$t->{port}/$_" }
                             qw(report slow report);

    open $http2{$who}, '-|', 'curl -q -s --insecure --http2 -w '
        . "'%{stderr}%{http_version} %{http_code} %{num_connects}\\n' "
        . "--cert $t->{dir}/$who.pem $uris 2>&1" or die "curl: $!";
    like(readline $http2{$who}, qr/^2 200 1$/, "$who, HTTP/2: passes");
}

$t->wait_for(sub { 2 == (() = glob "$t->{dir}/begun.*") });
$nginx->later(0, 3700);

# each worker sees it with its next event

$t->wait_for(sub { !grep { $kept{$_}->request('/report')->{status} == 200 }
                   keys %kept });

for my $what (sort keys %kept) {
    is($kept{$what}->request('/report')->{status}, 403,
       "$what: it ends on a connection that is kept: refused");

    my $resumed = $t->client(cert => $what =~ s/,.*//r,
                             tls => $sessions{$what});

    ok($resumed->{socket}->get_session_reused, "$what: its session is resumed");
    is($resumed->request('/report')->{status}, 403, "$what: and refused");
}

$t->write_file('go', '');

for my $who (sort keys %http2) {
    like(readline $http2{$who}, qr/^2 200 0$/,
         "$who, HTTP/2: a request that has begun ends");
    like(readline $http2{$who}, qr/^2 403 0$/,
         "$who, HTTP/2: the next one is refused");
    close $http2{$who};
}

$t->done;
