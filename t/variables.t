#!/usr/bin/perl

# What the gate knows, in variables: right in logs, headers, maps and before
# the backend, for each request of a connection, and empty where it knows
# nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my ($japan, $germany, $nowhere) = qw(203.0.113.5 198.51.100.5 192.0.2.5);
my @names = qw(verdict reason policy user country cert_cn cert_email
               cert_serial cert_issuer cert_fingerprint);

my $t = Test::Gate->new;

# a CA with a name that has to be escaped

$t->write_file('ca.cnf', <<'END');
[req]
prompt = no
distinguished_name = dn
string_mask = utf8only
utf8 = yes
[dn]
O = "試験, Inc. \#1"
CN = ca
[ext]
basicConstraints = critical,CA:TRUE
END
$t->openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:P-256', '-nodes', '-utf8',
            '-config', "$t->{dir}/ca.cnf", '-extensions', 'ext',
            '-keyout', "$t->{dir}/ca.key", '-out', "$t->{dir}/ca.pem");

$t->certificate('alice', cn => '山田 太郎', email => 'alice@example.jp');
$t->certificate('bob', cn => 'bob', email => 'bob@example.jp');
$t->certificate('nobody', cn => 'nobody');
$t->certificate('stranger', email => 'alice@example.jp', self => 1);
$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE');
$t->document('report', 1000);

$t->backend('echo', sub {
    my ($socket, $head) = @_;

    print $socket "HTTP/1.1 200 OK\r\nContent-Length: " . length($head)
                  . "\r\nConnection: close\r\n\r\n$head";
});

my $log = join '|', '$status', map { "\$gate_$_" } @names;
my $add = join "\n", map { "add_header Gate-$_ \$gate_$_ always;" } @names;
my $set = join "\n", map { "proxy_set_header Gate-$_ \$gate_$_;" } @names;
my $plain = $t->port;

$t->nginx($t->conf(http => <<"END", server => <<"END2"));
    log_format  all  escape=none '$log|\$gate_limit|\$connection';

    map \$gate_user \$gate_limit { default 1; alice\@example.jp 100; }
    map \$gate_verdict:\$gate_reason \$gate_told {
        ~^PASSED:  welcome;
        ~:country  abroad;
        ~:quota    enough;
        default    "\$gate_verdict and \$gate_reason";
    }

    gate_policy staff {
        user           \$gate_cert_email;
        allow_country  JP;
        quota          requests=\$gate_limit per=day;
    }

    gate_policy anybody {
        user         "\$gate_country \$remote_addr";
        certificate  optional;
    }

    server {
        listen      127.0.0.1:$plain;
        access_log  %%DIR%%/all.log all;
        gate        anybody;
        root        %%DIR%%/docs;
    }
END
        access_log  %%DIR%%/all.log all;
        gate        staff;
        $add
        add_header  Gate-Told \$gate_told always;
        add_header  Gate-Quota \$gate_quota always;

        location /report   { }
        location /off/     { gate off; alias %%DIR%%/docs/; }
        location /anybody/ { gate anybody; alias %%DIR%%/docs/; }

        location /echo {
            $set
            proxy_pass  http://unix:%%DIR%%/echo.sock:/;
        }
END2

my $lines = 0;

# what OpenSSL says of the certificates

my %issuer = map { $_ => x509($_, '-issuer', '-nameopt', 'RFC2253')
                         =~ s/^issuer=//r } qw(alice bob nobody);
my %serial = map { $_ => x509($_, '-serial') =~ s/^serial=//r }
                 qw(alice bob nobody);
my %fingerprint = map {
    $_ => lc(x509($_, '-fingerprint', '-sha256') =~ s/^.*=//r =~ s/://gr)
} qw(alice bob nobody stranger);

my @alice = ('山田 太郎', 'alice@example.jp', $serial{alice}, $issuer{alice},
             $fingerprint{alice});
my @bob = ('bob', 'bob@example.jp', $serial{bob}, $issuer{bob},
           $fingerprint{bob});
my @nobody = ('nobody', '', $serial{nobody}, $issuer{nobody},
              $fingerprint{nobody});

is($issuer{alice}, 'CN=ca,O=\\E8\\A9\\A6\\E9\\A8\\93\\, Inc. #1',
   'the issuer of this test is an odd one');

# passed, in the log, in headers, before the backend

my @passed = ('PASSED', '', 'staff', 'alice@example.jp', 'JP', @alice);
my $r = $t->get('/report', cert => 'alice', from => $japan);

is(logged(), line(200, @passed, 100), 'passed: the log');
is(headers($r), line(@passed), 'passed: add_header');
is($r->{headers}{'gate-told'}, 'welcome', 'passed: map');
is($r->{headers}{'gate-quota'}, undef, 'passed: no quota');

for my $http ('1.1', 2) {
    $r = $t->curl('/echo', cert => 'alice', from => $japan, http => $http);
    is(join('|', map { $r->{body} =~ /^Gate-$_: (.*)\r$/mi ? $1 : '' } @names),
       line(@passed), "passed: proxy_set_header, HTTP/$http");
    is(logged(), line(200, @passed, 100), "passed: the log, HTTP/$http");
}

# refused

my @abroad = ('DENIED', 'country', 'staff', 'alice@example.jp', 'DE', @alice);

$r = $t->get('/report', cert => 'alice', from => $germany);
is(logged(), line(403, @abroad, 100), 'country: the log');
is(headers($r), line(@abroad), 'country: add_header');
is($r->{headers}{'gate-told'}, 'abroad', 'country: map');
is($r->{headers}{'gate-quota'}, undef, 'country: no quota');

my @unnamed = ('DENIED', 'certificate', 'staff', '', 'JP', @nobody);

$r = $t->get('/report', cert => 'nobody', from => $japan);
is(logged(), line(403, @unnamed, 1), 'no e-mail: the log');
is(headers($r), line(@unnamed), 'no e-mail: add_header');

my @none = ('DENIED', 'certificate', 'staff', '', 'unknown', ('') x 5);

$r = $t->get('/report', from => $nowhere);
is(logged(), line(403, @none, 1), 'no certificate: the log');
is(headers($r), line(@none), 'no certificate: add_header');
is($r->{headers}{'gate-told'}, 'DENIED and certificate',
   'no certificate: map');

# nginx answers him before realip has seen the address

my @stranger = ('DENIED', 'certificate', 'staff', '', 'unknown', ('') x 4,
                $fingerprint{stranger});

for my $http ('1.1', 2) {
    $r = $t->curl('/report', cert => 'stranger', from => $japan,
                  http => $http);
    is(logged(), line(400, @stranger, 1),
       "a stranger: the log has the fingerprint alone, HTTP/$http");
}

# a map that asks for the user sets his limit

is($t->get('/report', cert => 'bob', from => $japan)->{status}, 200,
   'a map of the user: one request is his limit');
is(logged(), line(200, 'PASSED', '', 'staff', 'bob@example.jp', 'JP', @bob, 1),
   'a map of the user: the log');
$r = $t->get('/report', cert => 'bob', from => $japan);
is("$r->{status} $r->{headers}{'gate-told'}", '429 enough',
   'a map of the user: the second is refused');
is(logged(), line(429, 'DENIED', 'quota', 'staff', 'bob@example.jp', 'JP',
                  @bob, 1), 'quota: the log');
is($r->{headers}{'gate-quota'}, 'requests-day', 'quota: which one');

# where the gate is off, without a certificate, without TLS

$t->get('/off/report', cert => 'alice', from => $japan);
is(logged(), line(200, ('') x 4, 'JP', @alice, 1),
   'gate off: the peer is known, of the gate nothing');
$t->get('/off/report');
is(logged(), line(200, ('') x 4, 'unknown', ('') x 5, 1),
   'gate off without a certificate: nothing');
$t->get('/anybody/report', from => $japan);
is(logged(), line(200, 'PASSED', '', 'anybody', "JP $japan", 'JP', ('') x 5,
                  1), 'certificate optional: a user of other variables');
$t->get('/report', plain => 1, port => $plain, from => $japan);
is(logged(), line(200, 'PASSED', '', 'anybody', "JP $japan", 'JP', ('') x 5,
                  1), 'without TLS: no certificate');

# one connection, several addresses: each request has its own country

my @from = ($japan, $germany, $nowhere, $japan, '2001:db8::1', $germany);
my @country = qw(JP DE unknown JP unknown DE);
my $client = $t->client(cert => 'alice');
my @log;

for (@from) {
    $client->request('/off/report', from => $_);
    push @log, logged(1);
}

is(join(' ', map { $_->[5] } @log), "@country",
   'HTTP/1.1: each request of a connection has its own country');
is(join(' ', map { $_->[10] } @log), join(' ', ($fingerprint{alice}) x 6),
   'HTTP/1.1: and the connection\'s certificate');
is(scalar(keys %{ { map { $_->[12] => 1 } @log } }), 1,
   'HTTP/1.1: it is one connection');

my $url = "https://127.0.0.1:$t->{port}/off/report";

my @curl = map { ('--cert', "$t->{dir}/alice.pem", '--insecure', '--http2',
                  '-H', "X-Forwarded-For: $_", '-o', '/dev/null', $url,
                  '--next') } @from[0 .. $#from - 1];

$t->curl('/off/report', options => [
    @curl, '--cert', "$t->{dir}/alice.pem", '--insecure', '--http2',
    '-H', "X-Forwarded-For: $from[-1]", '-o', '/dev/null' ]);
@log = map { logged(1) } @from;

is(join(' ', map { $_->[5] } @log), "@country",
   'HTTP/2: each request of a connection has its own country');
is(scalar(keys %{ { map { $_->[12] => 1 } @log } }), 1,
   'HTTP/2: it is one connection');

# judged anew, too

$client = $t->client(cert => 'alice');
is(join(' ', map { $client->request('/report', from => $_)->{status} }
                 $japan, $germany, $japan, $nowhere, $japan),
   '200 403 200 403 200',
   'a request is judged by its own country, not the connection\'s first');

$t->done;

sub line { return join '|', @_ }

sub headers {
    my ($r) = @_;

    return join '|', map { $r->{headers}{"gate-$_"} // '' } @names;
}

# The next line of the log, without its connection; or its fields.

sub logged {
    my ($fields) = @_;

    my @log;

    $lines++;
    $t->wait_for(sub {
        @log = split /\n/, $t->read_file('all.log');
        return @log >= $lines;
    });

    my $line = $log[$lines - 1] // 'nothing';

    return $fields ? [ split /\|/, $line, -1 ] : $line =~ s/\|\d+$//r;
}

sub x509 {
    my ($name, @options) = @_;

    my $said = qx(openssl x509 -noout -in $t->{dir}/$name.crt @options);

    chomp $said;
    return $said;
}
