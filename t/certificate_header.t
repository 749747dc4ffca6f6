#!/usr/bin/perl

# Behind a load balancer that ends TLS: what it says in a header of its client's
# certificate is verified, in each form in which balancers say it; what anybody
# else says there is ignored.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 100);

$t->certificate('alice', email => 'alice@example.jp');
$t->certificate('direct', email => 'direct@example.jp');
$t->ca('middle', by => 'ca');
$t->ca('low', by => 'middle');
$t->certificate('carol', email => 'carol@example.jp', ca => 'low');
$t->certificate('mallory', email => 'alice@example.jp', ca => 'other');
$t->certificate('alone', email => 'alice@example.jp', self => 1);
$t->certificate('partner', email => 'partner@example.jp', ca => 'partners');
$t->write_file('partners.crl', $t->crl('partners'));
$t->certificate('server', extra => 'extendedKeyUsage = serverAuth');
$t->forge('old', emails => [ 'alice@example.jp' ], before => time - 1000,
          after => time - 100);
$t->forge('new', emails => [ 'alice@example.jp' ], before => time + 1000,
          after => time + 2000);

my $balancer = $t->port;
my $headers = <<'END';
        add_header  User $gate_user always;
        add_header  Issuer $gate_cert_issuer always;
        add_header  Print $gate_cert_fingerprint always;
        add_header  Cert $gate_client_cert always;
        add_header  Chain $gate_client_cert_chain always;
        alias       %%DIR%%/docs/;
END

my @policies = map {
    my ($name, $trusted, $more, $ca) = @$_;

    $ca //= 'ca.pem';
    "    gate_policy $name {\n        user \$gate_cert_email nobody;\n"
    . "        certificate_header \$http_client_cert $trusted ca=$ca\n"
    . "                           chain=\$http_client_cert_chain;\n"
    . "        " . ($more // '') . "\n    }\n";
} [ local => 'trusted=127.0.0.1' ],
  [ far => 'trusted=192.0.2.1,198.51.100.0/24 trusted=::1' ],
  [ unix => 'trusted=unix:' ],
  [ some => 'trusted=127.0.0.0/8', 'certificate optional;' ],
  [ low => 'trusted=127.0.0.0/8', 'issuer CN=low;' ],
  [ strong => 'trusted=127.0.0.0/8', 'certificate required min_key=ec:384;' ],
  [ partners => 'trusted=127.0.0.0/8', 'crl partners.crl;', 'partners.pem' ];

my $locations = join '', map {
    "        location /$_/ {\n        gate  $_;\n$headers        }\n"
} qw(local far unix some low strong partners);

my $nginx = $t->nginx($t->conf(workers => 1, http => <<"END",
@policies
    server {
        listen  unix:%%DIR%%/gate.sock;
        access_log  %%DIR%%/unix.log gate;
$locations
    }

    # a real balancer: nginx

    server {
        listen  127.0.0.1:$balancer ssl http2;

        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       optional_no_ca;

        location / {
            proxy_pass        http://unix:%%DIR%%/gate.sock;
            proxy_set_header  Client-Cert \$ssl_client_escaped_cert;
        }
    }
END
    server => <<"END2"));
        ssl_verify_depth        3;
        underscores_in_headers  on;
        large_client_header_buffers  8 64k;
$locations
END2

my %pem = map { $_ => $t->read_file("$_.pem") =~ s/(-----END CERT[^\n]+\n).*/$1/sr }
          qw(alice carol low middle mallory alone server old new ca direct
             partner);
my %base64 = map { $_ => $pem{$_} =~ s/-----[^\n]+\n|\n//gr } keys %pem;
my %escaped = map { $_ => escaped($pem{$_}) } keys %pem;

# how each balancer says it

my %forms = (
    'RFC 9440' => ":$base64{alice}:",
    'nginx'    => $escaped{alice},
    'HAProxy'  => $base64{alice},
    'AWS'      => $pem{alice} =~ s/([^-A-Za-z0-9+\/=])/sprintf '%%%02x', ord $1/ger,
    'Envoy'    => 'By=spiffe://a/b;Hash=' . '0a' x 32
                  . ";Cert=\"$escaped{alice}\";Subject=\"CN=alice,O=\\\"a\\\"\";"
                  . 'URI=spiffe://a/c',
    "Envoy's chain" => "Hash=0a;Chain=\"$escaped{alice}$escaped{ca}\"",
);

for my $form (sort keys %forms) {
    is(asked('/local/', $forms{$form}), '200 alice@example.jp', $form);
}

my $print = qx(openssl x509 -in $t->{dir}/alice.crt -noout -fingerprint -sha256)
            =~ s/.*=|:|\s//gr;
my $r = answer('/local/', ":$base64{alice}:");

is($r->{headers}{issuer}, 'CN=ca', 'all else is of that certificate, too');
is($r->{headers}{print}, lc $print, 'its fingerprint');
is($r->{headers}{cert}, ":$base64{alice}:", '$gate_client_cert');
is($r->{headers}{chain}, undef, '$gate_client_cert_chain: the CA is known');

# who says it

for ([ '/far/', {}, 'who is not trusted' ],
     [ '/far/', { 'X-Forwarded-For' => '192.0.2.1' },
       'who gives himself a trusted address' ],
     [ '/unix/', {}, 'another kind of address' ])
{
    my ($path, $more, $what) = @$_;

    is(asked($path, ":$base64{alice}:", %$more), '403 nobody',
       "$what is not believed");
    is($t->get("${path}document", cert => 'direct', headers => {
           'Client-Cert' => ":$base64{alice}:", %$more })->{headers}{user},
       'direct@example.jp', '... and is who he is');
}

is(asked('/local/', ":$base64{alice}:", 'X-Forwarded-For' => '192.0.2.77'),
   '200 alice@example.jp', 'a balancer tells its client\'s address, too');

for ([ '/local/', '200 alice@example.jp' ], [ '/far/', '403 nobody' ]) {
    my ($path, $expected) = @$_;

    $r = $t->curl("${path}document", from => '192.0.2.1',
                  options => [ '-H', "Client-Cert: :$base64{alice}:" ]);
    is("$r->{version} $r->{status} $r->{headers}{user}", "2 $expected",
       "HTTP/2: $path");
}

ok($nginx->said(qr/\[warn\].*gate: a certificate header of who is not among/),
   'a warning says so');

# once for a connection, and not in each of a flood

my $before = warnings();
my $kept = $t->client;

$kept->request('/far/document', headers => { 'Client-Cert' => 'x' })
    for 1 .. 20;
cmp_ok(warnings() - $before, '<=', 1, 'once, not for each request');

$before = warnings();
my $begin = time;
$t->get('/far/document', headers => { 'Client-Cert' => 'x' }) for 1 .. 20;
cmp_ok(warnings() - $before, '<=', 1 + time - $begin,
       'nor for each of many connections');

# the balancer's own certificate is not its client's

is($t->get('/local/document', cert => 'direct')->{status}, 403,
   'a balancer that says nothing has a client without a certificate');
is($t->get('/some/document', cert => 'direct')->{headers}{user}, 'nobody',
   'of whom nothing is known');
is(asked('/some/', ''), '200 nobody', 'an empty header is none');
is(asked('/some/', ":$base64{alice}:"), '200 alice@example.jp',
   'optional: one');

# a certificate that does not verify

for ([ "of another CA", ":$base64{mallory}:",
       'unable to get local issuer certificate' ],
     [ 'that signed itself', ":$base64{alone}:", 'self.signed certificate' ],
     [ 'that has expired', ":$base64{old}:", 'certificate has expired' ],
     [ 'that is not valid yet', ":$base64{new}:",
       'certificate is not yet valid' ],
     [ 'of a CA', ":$base64{middle}:", 'a CA is no client' ],
     [ 'of a server', ":$base64{server}:", 'unsuitable certificate purpose' ],
     [ 'without its chain', ":$base64{carol}:",
       'unable to get local issuer certificate' ])
{
    my ($what, $header, $words) = @$_;

    for my $path ('/local/', '/some/', '/low/') {
        is(asked($path, $header), '403 nobody', "$path one $what");
    }

    ok($nginx->said(qr/$words/), "the log says: $words");
}

# a header that cannot be read

my $der = $base64{alice};

for ([ 'no form', ':abc' ], [ 'no form', 'Cert="' ], [ 'no base64', '(null)' ],
     [ 'no base64', 'x' ], [ 'no certificate', ':MAEC:' ],
     [ 'no certificate', ':' . 'A' x 40 . ':' ],
     [ 'no certificate', ":${\(substr $der, 0, 400)}:" ],
     [ 'more than one', ":$base64{alice}:, :$base64{alice}:" ],
     [ 'two clients', "Cert=\"$escaped{alice}\",Cert=\"$escaped{alice}\"" ],
     [ 'something behind it', $der =~ /=$/ ? "$der:" : "${der}AAAA" ],
     [ 'too long', 'A' x 33000 ], [ 'percent', '%%%' ],
     [ 'a key', '-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----' ])
{
    my ($what, $header) = @$_;

    is(asked('/local/', $header), '403 nobody',
       "$what: " . substr $header, 0, 20);
    is(asked('/some/', $header), '403 nobody', '... where it is optional, too');
}

# twice, or in a spelling that a balancer does not take out

is(twice('Client-Cert', ":$base64{direct}:"), '403 nobody', 'it came twice');
is(twice('client_cert', ":$base64{direct}:"), '403 nobody',
   'once with an underscore');
is($t->get('/local/document', headers => {
       'Client_Cert' => ":$base64{alice}:" })->{status}, 403,
   'with an underscore alone');

# chains

my @chain = (":$base64{low}:", ":$base64{middle}:");

for ([ 'a chain', join ', ', @chain ],
     [ 'in another order', join ',', reverse @chain ],
     [ 'with its CA', join ', ', @chain, ":$base64{ca}:" ],
     [ 'escaped PEM', "$escaped{low}$escaped{middle}" ])
{
    my ($what, $chain) = @$_;

    $r = answer('/low/', ":$base64{carol}:", 'Client-Cert-Chain' => $chain);
    is("$r->{status} $r->{headers}{user}", '200 carol@example.jp', $what);
    is($r->{headers}{chain}, join(', ', @chain),
       '$gate_client_cert_chain: in the order of TLS');
    is($r->{headers}{cert}, ":$base64{carol}:", '$gate_client_cert');
}

is(asked('/local/', "Cert=\"$escaped{carol}\";Chain=\"$escaped{carol}"
                    . "$escaped{low}$escaped{middle}\""),
   '200 carol@example.jp', 'the chain of Envoy');
is(asked('/local/', ":$base64{carol}:", 'Client-Cert-Chain' => $chain[0]),
   '403 nobody', 'one is missing');
is(asked('/local/', ":$base64{carol}:", 'Client-Cert-Chain' => "$chain[0],"),
   '403 nobody', 'what cannot be read of it');
is(asked('/local/', ":$base64{alice}:",
         'Client-Cert-Chain' => ":$base64{other}:") =~ s/ .*//r, 403,
   'what is no chain') if $base64{other};
is(asked('/local/', ":$base64{mallory}:",
         'Client-Cert-Chain' => ":${\(pem64('other'))}:"),
   '403 nobody', 'a chain brings no CA of its own');
is(asked('/local/', ":$base64{alice}:",
         'Client-Cert-Chain' => join ', ', (":$base64{low}:") x 8),
   '403 nobody', 'too many');

# the rules of a policy are asked of it

is(asked('/low/', ":$base64{alice}:"), '403 alice@example.jp', 'issuer');
is(asked('/strong/', ":$base64{alice}:"), '403 alice@example.jp', 'min_key');

is(asked('/partners/', ":$base64{partner}:"), '200 partner@example.jp', 'crl');
is(asked('/partners/', ":$base64{alice}:"), '403 nobody',
   'and the CAs are the policy\'s');

$t->write_file('partners.crl', $t->crl('partners', revoked => [ 'partner' ]));
ok($t->wait_for(sub {
       asked('/partners/', ":$base64{partner}:") eq '403 partner@example.jp';
   }), 'it is revoked, though it was verified before');

# TLS straight to the gate tells its chain, too

$kept = $t->client(cert => chained('carol'));

for my $time ('first', 'second') {
    $r = $kept->request('/far/document');
    is($r->{headers}{cert}, ":$base64{carol}:", "of a handshake, the $time time");
    is($r->{headers}{chain}, join(', ', @chain), '... and its chain');
}

# a real balancer in front, its users on its own connections

my $forged = $t->get('/unix/document', port => $balancer, cert => 'alice',
                     headers => { 'Client-Cert' => ":$base64{direct}:" });

is("$forged->{status} $forged->{headers}{user}", '200 alice@example.jp',
   'nginx as a balancer, over a unix socket');
is($t->get('/unix/document', port => $balancer,
           headers => { 'Client-Cert' => ":$base64{alice}:" })->{status}, 403,
   'whose client has none but says so');
is($t->get('/unix/document', port => $balancer, cert => 'mallory')->{status},
   403, 'or one of another CA, which it did not look at');
is($t->curl('/unix/document', port => $balancer, cert => 'alice')->{status},
   200, 'HTTP/2 to the balancer');

# one connection, many users; then the clock

$kept = $t->client;

is(join(' ', map {
       $kept->request('/low/document', headers => {
           'Client-Cert' => ":$base64{$_}:",
           'Client-Cert-Chain' => join ', ', @chain })->{headers}{user};
   } qw(carol alice carol mallory carol)),
   'carol@example.jp alice@example.jp carol@example.jp nobody '
   . 'carol@example.jp', 'one connection with many users');

# more than are kept: the first must still be the first, and be verified again

my @users = map {
    $t->forge("user$_", emails => [ "user$_\@example.jp" ],
              serial => pack 'n', $_ + 256);
    pem64("user$_");
} 1 .. 3;

for my $try (1 .. 100) {
    for my $n (0 .. $#users) {
        my $text = ':' . $users[$n] . ':' . ' ' x $try;
        my $got = $kept->request('/local/document', headers => {
            'Client-Cert' => "$text\t" })->{headers}{user};

        $got eq "user${\($n + 1)}\@example.jp" or fail("$try: $got");
    }

    $kept->request('/local/document', headers => {
        'Client-Cert' => ':' . 'A' x $try . ':' })->{status} == 403
        or fail("$try: a bad one");
}

pass('300 users, and 100 that do not verify, on one connection');
is(asked('/local/', ":$base64{alice}:"), '200 alice@example.jp', 'after them');

# the clock goes on

$t->forge('brief', emails => [ 'brief@example.jp' ], before => time - 1000,
          after => time + 8);
$kept = $t->client;

my %headers = ('Client-Cert' => ':' . pem64('brief') . ':');

is($kept->request('/local/document', headers => \%headers)->{headers}{user},
   'brief@example.jp', 'it is valid');
ok($t->wait_for(sub {
       $r = $kept->request('/local/document', headers => \%headers);
       return $r->{status} == 403;
   }), 'it has expired, on a kept connection');
is($r->{headers}{cert}, undef, 'a backend is not told of it');

$t->done;

sub answer {
    my ($path, $header, %more) = @_;

    return $t->get("${path}document", headers => { 'Client-Cert' => $header,
                                                   %more });
}

# status and user

sub asked {
    my $r = answer(@_);

    return "$r->{status} " . ($r->{headers}{user} // '');
}

sub twice {
    my ($name, $value) = @_;

    my $client = $t->client;

    print { $client->{socket} } "GET /local/document HTTP/1.1\r\n"
        . "Host: localhost\r\nClient-Cert: :$base64{alice}:\r\n"
        . "$name: $value\r\n\r\n";
    my $r = $client->response('GET');

    return "$r->{status} $r->{headers}{user}";
}

sub warnings { return $nginx->said(qr/\[warn\].*a certificate header of who/) }

sub escaped {
    return $_[0] =~ s/([^-A-Za-z0-9_.~])/sprintf '%%%02X', ord $1/ger;
}

sub pem64 {
    my ($name) = @_;

    return $t->read_file("$name.pem")
           =~ s/(-----END CERT[^\n]+\n).*/$1/sr =~ s/-----[^\n]+\n|\n//gr;
}

# a file of a certificate, its key and its chain, as a client has it

sub chained {
    my ($name) = @_;

    return $t->write_file("$name.chain.pem", join '', $pem{$name},
                          @pem{qw(low middle)}, $t->read_file("$name.key"));
}
