#!/usr/bin/perl

# CRLs: whose certificate, or whose CA, is revoked is refused from the next
# request on, whatever connection or session he holds; and who cannot be said
# to be good is as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);

# ca signs sub, and sub deep; old has lost its CA, lame may not sign CRLs

$t->ca('ca');
$t->ca($_, by => 'ca') for qw(sub old mute);
$t->ca('lame', by => 'ca', extra => 'keyUsage = critical,keyCertSign');
$t->certificate($_, email => "$_\@example.jp") for qw(alice bob);
$t->certificate($_->[0], ca => $_->[1], with => $_->[1])
    for [ deep => 'sub' ], [ deeper => 'sub' ], [ stale => 'old' ],
        [ silent => 'mute' ], [ limp => 'lame' ];

my $now = time;
my $root = $t->crl('ca', revoked => [ 'bob', 'old' ]);
my $sub = $t->crl('sub', revoked => [ 'deeper' ]);

my %files = (
    one => $root,
    empty => $t->crl('ca'),
    der => $t->crl('ca', revoked => [ 'bob' ], der => 1),
    ders => $t->crl('ca', revoked => [ 'bob' ], der => 1)
            . $t->crl('sub', der => 1),
    chain => "some words\n$root\n$sub\n",
    sub => $sub . $t->crl('old'),
    expired => $t->crl('ca', revoked => [ 'bob' ], after => $now - 10),
    newest => $t->crl('ca', before => $now - 600, revoked => [ 'alice' ])
              . $root,
    users => $t->crl('ca', extensions => [ scope("\x81") ]),
    authorities => $t->crl('ca', revoked => [ 'bob' ],
                           extensions => [ scope("\x82") ]),
);

# those of CAs whose certificates only clients have, or stand in the file

$files{sub} .= $t->read_file("$_.pem") for qw(sub old);
$files{chain} .= $t->read_file('sub.pem');

$t->write_file("$_.crl", $files{$_}) for keys %files;
$t->write_file('cas.pem', join '', map { $t->read_file("$_.pem") }
                          qw(ca sub lame));

my %rules = (
    one => 'crl one.crl;', empty => 'crl empty.crl;', der => 'crl der.crl;',
    ders => 'crl ders.crl;', chain => 'crl chain.crl;',
    several => 'crl one.crl sub.crl;', twice => "crl one.crl;\ncrl sub.crl;",
    missing => 'crl sub.crl;', expired => 'crl expired.crl;',
    allowed => "crl expired.crl;\ncrl_expired allow;",
    denied => "crl expired.crl;\ncrl_expired deny;",
    newest => 'crl newest.crl;', users => 'crl users.crl;',
    authorities => 'crl authorities.crl;',
    both => 'crl users.crl authorities.crl;',
    optional => "certificate optional;\ncrl one.crl;",
);

$t->backend('slow', sub {
    my ($socket) = @_;

    $t->write_file("begun.$$", '');
    $t->wait_for(sub { -e "$t->{dir}/go" }, 60);
    print $socket "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                  . "Connection: close\r\n\r\nok";
});

my $nginx = $t->nginx($t->conf(workers => 1,
    http => "ssl_protocols TLSv1.2 TLSv1.3;\n"
            . "ssl_session_cache shared:sessions:1m;\n"
            . join('', map { "gate_policy $_ { $rules{$_} }\n" }
                       sort keys %rules),
    server => "ssl_verify_depth 3;\nlocation /slow/ {\n"
              . "gate one;\nproxy_pass http://unix:%%DIR%%/slow.sock:/;\n}\n"
              . join('', map { "location /$_/ { gate $_; "
                               . "alias %%DIR%%/docs/; }\n" }
                         sort keys %rules))
    =~ s{%%DIR%%/ca.pem}{%%DIR%%/cas.pem}r);

# rule, who, status, what the error log says

for ([ one => 'alice', 200 ],
     [ one => 'bob', 403, 'revoked' ],
     [ one => undef, 403, undef, 'certificate' ],
     [ optional => 'alice', 200 ],
     [ optional => 'bob', 403, 'revoked' ],
     [ optional => undef, 200 ],
     [ empty => 'bob', 200 ],
     [ der => 'alice', 200 ],
     [ der => 'bob', 403, 'revoked' ],
     [ ders => 'bob', 403, 'revoked' ],
     [ ders => 'deeper', 200 ],

     # each CA of a chain needs a CRL

     [ one => 'deep', 403, 'no CRL of an issuer' ],
     [ missing => 'deep', 403, 'no CRL of an issuer' ],
     [ missing => 'alice', 403, 'no CRL of an issuer' ],
     [ chain => 'deep', 200 ],
     [ chain => 'deeper', 403, 'revoked' ],
     [ several => 'alice', 200 ],
     [ several => 'deep', 200 ],
     [ several => 'deeper', 403, 'revoked' ],
     [ several => 'silent', 403, 'no CRL of an issuer' ],
     [ several => 'limp', 403, 'no CRL of an issuer' ],
     [ twice => 'deeper', 403, 'revoked' ],
     [ twice => 'bob', 403, 'revoked' ],

     # a revoked intermediate CA, whatever its own CRL says

     [ several => 'stale', 403, 'revoked' ],
     [ one => 'stale', 403, 'revoked' ],

     # time

     [ expired => 'alice', 403, 'the CRL has expired' ],
     [ expired => 'bob', 403, 'revoked' ],
     [ denied => 'alice', 403, 'the CRL has expired' ],
     [ allowed => 'alice', 200 ],
     [ allowed => 'bob', 403, 'revoked' ],
     [ newest => 'alice', 200 ],
     [ newest => 'bob', 403, 'revoked' ],

     # one for users' certificates, one for those of CAs

     [ users => 'bob', 200 ],
     [ users => 'deep', 403, 'no CRL of an issuer' ],
     [ authorities => 'alice', 403, 'no CRL of an issuer' ],
     [ both => 'bob', 200 ])
{
    my ($rule, $who, $status, $fault, $reason) = @$_;
    my $what = "$rules{$rule} " . ($who // 'nobody');

    $reason //= $fault ? 'revoked' : '-';

    is(status($rule, $who), $status, $what);
    like($t->logged($t->{asked}), qr/^$status "\w+" "$reason" "$rule"/,
         "$what: $reason");
    ok($nginx->said(qr/refused: revoked, $fault, policy "$rule"/),
       "$what: $fault") if $fault && $fault ne 'revoked';
}

ok($nginx->said(qr/\[warn\].* the CRL of "CN=ca" in "\S+expired.crl" has/),
   'the error log warns of a CRL that has expired');

# revoked while he holds connections and sessions of all kinds

my %sessions = map {
    $_ => { SSL_version => $_, SSL_session_key => $_,
            SSL_session_cache => IO::Socket::SSL::Session_Cache->new(9) }
} qw(TLSv1_2 TLSv1_3);
my %kept = map { $_ => $t->client(cert => 'alice', tls => $sessions{$_}) }
               keys %sessions;

for (sort keys %kept) {
    is($kept{$_}->request('/one/report')->{status}, 200, "$_: a connection");

    my $resumed = $kept{"$_, resumed"}
                = $t->client(cert => 'alice', tls => $sessions{$_});

    ok($resumed->{socket}->get_session_reused, "$_: and its session, resumed");
    is($resumed->request('/one/report')->{status}, 200, "$_: both pass");
}

# what curl says on stdout it says at its end

my $uris = join ' ', map { "-o /dev/null https://127.0.0.1:$t->{port}/$_" }
                         qw(one/report slow/ one/report);

open my $http2, '-|', 'curl -q -s --insecure --http2 -w '
    . "'%{stderr}%{http_version} %{http_code} %{num_connects}\\n' "
    . "--cert $t->{dir}/alice.pem $uris 2>&1" or die "curl: $!";

like(scalar <$http2>, qr/^2 200 1$/, 'HTTP/2: a connection');
$t->wait_for(sub { glob "$t->{dir}/begun.*" });

my $probe = $t->client(cert => 'alice');

$t->write_file('one.crl', $t->crl('ca', revoked => [ 'alice', 'old' ]));
ok($t->wait_for(sub {
       $probe->request('/one/report')->{status} == 403;
   }), 'the CRL is replaced: its certificate is refused');

for (sort keys %kept) {
    is($kept{$_}->request('/one/report')->{status}, 403,
       "$_: on a connection that is kept");
}

for (sort keys %sessions) {
    my $resumed = $t->client(cert => 'alice', tls => $sessions{$_});

    ok($resumed->{socket}->get_session_reused, "$_: a session is resumed");
    is($resumed->request('/one/report')->{status}, 403, "$_: and refused");
}

$t->write_file('go', '');
like(scalar <$http2>, qr/^2 200 0$/, 'HTTP/2: a request that has begun ends');
like(scalar <$http2>, qr/^2 403 0$/, 'HTTP/2: the next one is refused');
close $http2;

is(status('one', 'bob'), 200, 'and who is not in it any more passes');

# a CRL that is no good is not used, the one before is

my $oid = "\x06\x03\x55\x1d";

for ([ 'no CRL', "nothing\n", 'has no CRL in it' ],
     [ 'an empty file', '', 'has no CRL in it' ],
     [ 'half of one', substr($t->crl('ca'), 0, 200), 'is broken, or cut' ],
     [ 'half of one in DER', substr($t->crl('ca', der => 1), 0, 100),
       'is broken, or cut' ],
     [ 'one with more behind it', $t->crl('ca', der => 1) . 'x',
       'is broken, or cut' ],
     [ 'a key', $t->read_file('ca.key'),
       'has something else in it than CRLs and CAs' ],
     [ 'a broken CA beside it',
       $t->crl('ca') . Test::Gate::Forged::pem("\x30\3\2\1\1"),
       'has a broken certificate in it' ],
     [ '1025 CAs beside it',
       $t->crl('ca') . $t->read_file('sub.pem') x 1025,
       'has a broken certificate in it, or too many' ],
     [ '1025 of them', $t->crl('ca', der => 1) x 1025,
       'has too many CRLs in it' ],
     [ 'one that somebody else signed', $t->crl('ca', key => 'sub'),
       'is signed by no CA that is known' ],
     [ 'one of an unknown CA', $t->crl('mute'),
       'is signed by no CA that is known' ],
     [ 'one of a CA that may not sign any', $t->crl('lame'),
       'is signed by no CA that is known' ],
     [ 'a good one and a bad one', $t->crl('ca') . $t->crl('mute'),
       'that of "CN=mute" is signed by no CA that is known' ],
     [ 'one without an end', $t->crl('ca', after => undef),
       'does not say from when, or until when' ],
     [ 'an old one', $t->crl('ca', before => $now - 3600),
       'is older than the one in use' ],
     [ 'a delta CRL',
       $t->crl('ca', extensions => [ [ "$oid\x1b", 1, "\2\1\1" ] ]),
       'is a delta CRL' ],
     [ 'an indirect CRL', $t->crl('ca', extensions => [ scope("\x84") ]),
       'is an indirect or partial CRL' ],
     [ 'one of some reasons',
       $t->crl('ca', extensions => [ [ "$oid\x1c", 1,
                                       "\x30\4\x83\2\7\x80" ] ]),
       'is an indirect or partial CRL' ],
     [ 'a critical extension',
       $t->crl('ca', extensions => [ [ "\x06\x03\x2a\x03\x04", 1, "\5\0" ] ]),
       'has a critical extension that is not known' ],
     [ 'a broken scope',
       $t->crl('ca', extensions => [ [ "$oid\x1c", 1, "\x30\2\x85\0" ] ]),
       'has a broken issuing distribution point' ],
     [ 'an entry of another issuer',
       $t->crl('ca', serials => [ "\1" ], entry => [ [ "$oid\x1d", 1,
               "\x30\x06\x82\4host" ] ]),
       'has an entry with a critical extension' ],
     [ 'an endless serial number', $t->crl('ca', serials => [ "\1" x 40 ]),
       'has a serial number that is too long' ])
{
    my ($what, $text, $fault) = @$_;

    my $said = $nginx->said(qr/\Q$fault\E/);

    $t->write_file('one.crl', $text);
    ok($t->wait_for(sub { $nginx->said(qr/one\.crl" .*\Q$fault\E/) > $said }),
       "$what: it is told")
        or diag(grep { /one\.crl/ } split /^/m,
                $t->read_file('nginx0.error.log'));
    is(status('one', 'alice'), 403, "$what: is not used");
}

$t->write_file('one.crl', $t->crl('ca', before => time));
ok($t->wait_for(sub { status('one', 'alice') == 200 }), 'until a good one is');

unlink "$t->{dir}/one.crl";
ok($t->wait_for(sub { $nginx->said(qr/one\.crl" cannot be read/) }),
   'a file that is lost is told');
is(status('one', 'alice'), 200, 'and the one before stays in use');

# it expires while it is used

$t->write_file('one.crl', $t->crl('ca', before => time,
    after => time + 3 * ($ENV{TEST_PATIENCE} // 1)));
ok($t->wait_for(sub { $probe->request('/one/report')->{status} == 403 }),
   'a CRL expires on a connection');
ok($nginx->said(qr/\[warn\].*the CRL of "CN=ca" in "\S+one\.crl" has/),
   'which is told');

$t->done;

# The extension that says for what a CRL is, with one of its flags

sub scope { return [ "\x06\x03\x55\x1d\x1c", 1, "\x30\3$_[0]\1\xff" ] }

sub status {
    my ($rule, $who) = @_;

    $t->{asked}++;

    return $t->get("/$rule/report", $who ? (cert => $who) : (),
                   close => 1)->{status};
}
