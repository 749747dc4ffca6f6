#!/usr/bin/perl

# Two servers on one address, each with a client CA of its own: a certificate
# is one of this server's CAs or it is none, whatever server the handshake or
# the session that is resumed was with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);

$t->certificate('alice', ca => 'other', email => 'alice@example.jp');
$t->certificate('bob', email => 'bob@example.jp');
$t->certificate('carol', ca => 'third', email => 'carol@example.jp');

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_policy staff { user $gate_cert_email; }

    log_format  seen  escape=none
                      '$host $ssl_session_reused $ssl_client_verify '
                      '$gate_verdict $gate_reason "$gate_user" '
                      '"$gate_cert_serial" $status';
    ssl_protocols      TLSv1.2 TLSv1.3;
    ssl_session_cache  shared:sessions:1m;

    server {
        listen                  127.0.0.1:%%PORT%% ssl http2 default_server;
        server_name             a.example;
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/other.pem;
        ssl_verify_client       optional;
        access_log              %%DIR%%/seen.log seen;
        root                    %%DIR%%/docs;
        gate                    staff;
    }

    server {
        listen                  127.0.0.1:%%PORT%% ssl http2;
        server_name             none.example;
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        access_log              %%DIR%%/seen.log seen;
        root                    %%DIR%%/docs;
        gate                    staff;
    }
END
        access_log  %%DIR%%/seen.log seen;
        gate        staff;

        location /off/ { gate off; alias %%DIR%%/docs/; }
END2

my ($lines, $log) = (0, '');
my @kept;                       # or their sessions would be forgotten
my $refused = qr/^none:|^localhost .* DENIED certificate "" "" 40[03]$|421$/;

# alice is of the CA of a.example, the default server; bob of localhost's

is(seen('alice', 'a.example', undef), '200', 'a.example, without SNI');
is(seen('alice', 'a.example', 'a.example'), '200', 'a.example');
is(seen('bob', 'localhost', 'localhost'), '200', 'localhost');

# what the handshake was with says nothing of the server that is asked for

for my $sni (undef, 'unknown.example') {
    my $what = $sni ? 'with an unknown name' : 'without SNI';

    is(seen('alice', 'localhost', $sni), '403',
       "a certificate of another server's CA, $what: refused");
    like($log,
         qr/^localhost \. SUCCESS DENIED certificate "" "" 403$/,
         'nginx itself takes it, and the gate has no name of it');
    ok($nginx->said(qr/refused: certificate, unable to get .*issuer/),
       'the error log says why');
    is(seen('alice', 'localhost', $sni, '/off/report'), '200',
       'without the gate it is served');
    like($log, qr/SUCCESS   "" "" 200$/,
         'but its names are no names there either');
}

is(seen('alice', 'none.example', undef), '403',
   'a server that asks nobody for a certificate: refused');
isnt(seen('alice', 'localhost', 'a.example'), '200',
     'the name of one server and the host of another: refused');
isnt(seen('carol', 'localhost', undef), '200', 'a CA of nobody: refused');

# one connection, several servers

my $client = $t->client(cert => 'alice');

my @hosts = qw(a.example localhost a.example none.example localhost);

is(join(' ', map { $client->request('/report', headers => { Host => $_ })
                          ->{status} } @hosts),
   '200 403 200 403 403', 'each server of a connection has its own answer');
$lines += @hosts;
$t->logged($lines, 'seen.log');

# and over HTTP/2

for ([ 'a.example', 200 ], [ 'localhost', 403 ]) {
    my ($host, $status) = @$_;

    is($t->curl('/report', cert => 'alice',
                options => [ '-H', "Host: $host" ])->{status}, $status,
       "HTTP/2, $host: $status");
    $t->logged(++$lines, 'seen.log');
}

# sessions: resumed where they are from, and elsewhere

for my $version ('TLSv1_2', 'TLSv1_3') {
    my %tls = (SSL_version => $version, SSL_session_key => 'key',
               SSL_session_cache => IO::Socket::SSL::Session_Cache->new(9));

    is(seen('alice', 'a.example', 'a.example', '/report', %tls), '200',
       "$version: a session");
    is(seen('alice', 'a.example', 'a.example', '/report', %tls), '200',
       "$version: resumed");
    like($log,
         qr/^a\.example r SUCCESS PASSED  "alice\@example\.jp" "\w+" 200$/,
         "$version: it was, and everything is known of it");

    for my $sni ('localhost', undef) {
        isnt(seen('alice', 'localhost', $sni, '/report', %tls), '200',
             "$version: resumed towards this one "
             . ($sni ? 'by its name' : 'without SNI') . ': refused');
        like($log, $refused,
             "$version: and nobody is known");
    }
}

$t->done;

# The status of a request with this certificate, Host and SNI.

sub seen {
    my ($cert, $host, $sni, $uri, %tls) = @_;

    my $client = $t->client(cert => $cert, tls => {
        %tls, $sni ? (SSL_hostname => $sni) : () })
        or return $log = "none: $IO::Socket::SSL::SSL_ERROR";

    $lines++;
    push @kept, $client;

    my $r = $client->request($uri // '/report',
                             headers => { Host => $host });

    $log = $t->logged($lines, 'seen.log');

    return $r->{status};
}
