#!/usr/bin/perl

# What nginx answers before any phase, to a certificate that does not verify
# (495), to none where it wants one (496), to plain HTTP (497), and to what it
# cannot read (400, 414): it is told as a refusal, and "error_page" shows nothing
# that is gated.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->write_file('docs/secret', 'secret');
$t->write_file('docs/sorry', 'sorry');

$t->certificate('localhost', server => 1);
$t->certificate('alice', email => 'alice@example.jp');
$t->certificate('stranger', self => 1);
$t->forge('expired', cn => [ [ utf8 => 'alice' ] ], before => time - 7200,
          after => time - 3600);
$t->certificate('owner', email => 'owner@example.jp', ca => 'another');

$t->backend('backend', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"
                  . "Connection: close\r\n\r\nsecret";
});

# where "error_page 495 496 497" sends to, and what who has no certificate gets

my @pages = (
    [ '=200 /secret', 403 ],
    [ '=200 /returned', 403 ],
    [ '=200 /proxied', 403 ],
    [ '=200 /any', 403 ],
    [ '=200 /ssi', 403 ],
    [ '=200 /try', 403 ],
    [ '=204 /secret', 403 ],
    [ '= @named', 403 ],
    [ '= @returned', 403 ],
    [ '/secret', 403 ],
    [ '=200 /included', 200 ],
    [ '=200 /open', 200 ],
    [ '=302 https://localhost/', 302 ],
    [ undef, 400 ],
);

my %port;
my $servers = '';

for (@pages) {
    my $page = $_->[0] // 'none';
    my $port = $port{$page} = $t->port;
    my $error_page = $_->[0] ? "error_page 495 496 497 $page;"
                             : 'gate_audit file %%DIR%%/told.json '
                               . 'events=refused;';

    $servers .= <<"END";
    server {
        listen                  127.0.0.1:$port ssl http2;
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       on;
        access_log              %%DIR%%/told.log told;
        root                    %%DIR%%/docs;
        gate                    staff;
        $error_page

        location /secret   { }
        location /returned { return 200 "secret"; }
        location /proxied  { proxy_pass http://unix:%%DIR%%/backend.sock; }
        location /any      { satisfy any; allow all; alias %%DIR%%/docs/secret; }
        location /ssi      { ssi on; ssi_types *; alias %%DIR%%/docs/page; }
        location /try      { try_files /secret =404; }
        location /included { gate off; ssi on; ssi_types *;
                             alias %%DIR%%/docs/page; }
        location /open     { gate off; alias %%DIR%%/docs/sorry; }
        location \@named    { try_files /secret =404; }
        location \@returned { return 200 "secret"; }
    }
END
}

$t->write_file('docs/page', 'A<!--# include virtual="/secret" -->Z');

my $elsewhere = $t->port;

$t->nginx($t->conf(http => <<"END" . $servers));
    log_format  told  escape=none '\$status \$gate_verdict \$gate_reason '
                                  '"\$gate_user" "\$gate_cert_serial"';
    gate_policy staff { user \$gate_cert_email; }

    server {
        listen                  127.0.0.1:$elsewhere ssl http2;
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       on;
        access_log              %%DIR%%/told.log told;
        location /              { root %%DIR%%/docs; }
        location /gated/        { gate staff; alias %%DIR%%/docs/; }
    }

    server {
        listen                  127.0.0.1:%%PORT%% ssl http2;
        server_name             open.example;
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       on;
        access_log              %%DIR%%/told.log told;
        location /              { root %%DIR%%/docs; }
    }
END

my $lines = 0;

for (@pages) {
    my ($page, $status) = @$_;

    $page //= 'none';

    for my $cert ('stranger', 'expired', undef, 'plain') {
        for my $http ('1.1', '2') {
            next if ($cert // '') eq 'plain' && $http eq '2';

            my $what = "error_page $page, HTTP/$http, "
                       . ($cert // 'no certificate');
            my $r = ask($port{$page}, $http, $cert);

            is($r->{status}, $status, $what);
            unlike($r->{body}, qr/secret/, "$what: nothing gated is served");
            is($t->logged(++$lines, 'told.log'),
               qq($status DENIED certificate "" ""), "$what: it is told");
        }
    }

    my $r = ask($port{$page}, '1.1', 'alice');

    is("$r->{status} $r->{body}", '200 secret', "error_page $page: alice");
    like($t->logged(++$lines, 'told.log'),
         qr/^200 PASSED  "alice\@example\.jp" "\w+"$/, 'who passes');
}

# where only some places of a server are gated, which one it is for is not known

for my $uri ('/secret', '/gated/secret') {
    ask($elsewhere, '1.1', undef, $uri);
    is($t->logged(++$lines, 'told.log'), '400 DENIED certificate "" ""',
       "a server with a gate somewhere, $uri");
}

# where there is none, nothing is told

ask($t->{port}, '1.1', undef, '/secret', 'open.example');
is($t->logged(++$lines, 'told.log'), '400   "" ""', 'a server without a gate');

# what cannot be read is refused, too, for no reason of ours

my $get = 'GET /secret HTTP/1.1';
my @malformed = (
    [ 'a length that is no number', 400,
      "$get\r\nHost: localhost\r\nContent-Length: many" ],
    [ 'no host', 400, $get ],
    [ 'two hosts', 400, "$get\r\nHost: a\r\nHost: b" ],
    [ 'a host that is none', 400, "$get\r\nHost: a/b" ],
    [ 'no request', 400, 'nonsense' ],
    [ 'a version that there is not', 505, 'GET /secret HTTP/9.0' ],
    [ 'a path that is none', 400, "GET /../../secret HTTP/1.1\r\nHost: a" ],
    [ 'a NUL', 400, "GET /secret\0 HTTP/1.1\r\nHost: a" ],
    [ 'a path that is too long', 414,
      'GET /' . 'x' x 40_000 . " HTTP/1.1\r\nHost: a" ],
    [ 'a header that is too long', 400,
      "$get\r\nHost: localhost\r\nX-Long: " . 'x' x 40_000 ],
    [ 'a method that nginx does not take', 405,
      "TRACE / HTTP/1.1\r\nHost: localhost" ],
);
my $told = 7;        # what was refused there before, by any worker

$t->logged($told, 'told.json');

for (@malformed) {
    my ($what, $status, $text) = @$_;
    my $client = $t->client(port => $port{none}, cert => 'alice');
    my $socket = $client->{socket};

    print $socket "$text\r\n\r\n";

    my $r = $client->response('GET');

    $client->close;
    is($r->{status}, $status, "malformed: $what");
    unlike($r->{body}, qr/secret/, "malformed: $what: nothing is served");
    like($t->logged(++$lines, 'told.log'), qr/^$status DENIED  "[^"]*" "\w+"$/,
         "malformed: $what: it is told");

    my $event = $t->logged(++$told, 'told.json');

    like($event, qr/"event\.action":"refused","event\.outcome":"failure"/,
         "malformed: $what: an event");
    like($event, qr/"gate\.fault":"malformed request"/,
         "malformed: $what: for that");
    like($event, qr/"http\.response\.status_code":$status\b/,
         "malformed: $what: its status");
    unlike($event, qr/event\.reason/, "malformed: $what: no reason of ours");
}

# who says only half of it has no answer, and is not told as one who was refused

my $half = $t->client(port => $port{none}, cert => 'alice');

print { $half->{socket} } "$get\r\nHost: ";
$half->close;
like($t->logged(++$lines, 'told.log'), qr/^\d+   ""/, 'half a request');

# nor is one that is malformed where there is no gate

my $client = $t->client;
my $socket = $client->{socket};

print $socket "$get\r\nHost: open.example\r\nContent-Length: many\r\n\r\n";
is($client->response('GET')->{status}, 400, 'malformed, no gate');
$client->close;
like($t->logged(++$lines, 'told.log'), qr/^400   ""/, 'it is not told');

$t->done;

sub ask {
    my ($port, $http, $cert, $uri, $host) = @_;

    $uri //= '/secret';

    my @options = $host ? ('-H', "Host: $host") : ();

    return $t->get($uri, port => $port, plain => 1, close => 1)
        if ($cert // '') eq 'plain';
    return $t->curl($uri, port => $port, http => $http, cert => $cert,
                    options => \@options);
}
