#!/usr/bin/perl

# Certificates of all kinds that come to a gate, and what it says of each: a
# table of verdicts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $now = time;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);

# the CAs: ca, which has signed sub, which is good, and old, which is revoked

$t->ca('ca');
$t->ca($_, by => 'ca') for qw(sub old);

my $client = 'extendedKeyUsage = clientAuth';
my %made = (
    'rsa' => [ key => [ '-newkey', 'rsa:2048' ] ],
    'p256' => [],
    'ed25519' => [ key => [ '-newkey', 'ed25519' ] ],
    'three' => [ ca => 'sub', with => 'sub' ],
    'alone' => [ ca => 'sub' ],
    'several' => [ extra => "$client,emailProtection" ],
    'any' => [ extra => '' ],
    'server' => [ extra => 'extendedKeyUsage = serverAuth' ],
    'mail' => [ extra => 'extendedKeyUsage = emailProtection' ],
    'signer' => [ extra => "$client\nkeyUsage = critical,keyCertSign" ],
    'authority' => [ authority => 1 ],
    'self' => [ self => 1 ],
    'stranger' => [ ca => 'another' ],
    'weak' => [ key => [ '-newkey', 'rsa:1024' ] ],
    'p224' => [ key => [ '-newkey', 'ec', '-pkeyopt',
                         'ec_paramgen_curve:secp224r1' ] ],
    'revoked' => [],
    'orphan' => [ ca => 'old', with => 'old' ],
);

$t->certificate($_, email => "$_\@example.jp", extra => $client,
                @{ $made{$_} }) for sort keys %made;

# a CA that is its own client, with the chain of its certificate

$t->write_file('issuer.pem', $t->read_file('sub.pem')
                             . $t->read_file('sub.key'));

my $eku = [ "\x06\x03\x55\x1d\x25", 0,
            "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02" ];
my @alice = ([ utf8 => 'alice' ]);
my $host = 'host%04d.example.example.jp';

my %forged = (
    'expired' => [ before => $now - 7200, after => $now - 3600 ],
    'early' => [ before => $now + 3600, after => $now + 7200 ],
    'two CNs' => [ cn => [ [ utf8 => 'first' ], [ utf8 => 'last' ] ] ],
    'two CNs, the last empty' => [ cn => [ @alice, [ utf8 => '' ] ] ],
    '100 SANs' => [ dns => [ map { "host$_" } 1 .. 99 ],
                    emails => [ 'many@example.jp' ] ],
    '48 KiB of SANs' => [ dns => [ map { sprintf $host, $_ } 1 .. 38 * 48 ],
                          emails => [ 'heavy@example.jp' ] ],
    '64 KiB of SANs' => [ dns => [ map { sprintf $host, $_ } 1 .. 38 * 64 ],
                          emails => [ 'heavy@example.jp' ] ],
    'NUL in the CN' => [ cn => [ [ utf8 => "alice\0.evil" ] ] ],
    'NUL in the e-mail' => [ cn => [], emails => [ "a\@b.jp\0.evil" ] ],
    'BMPString' => [ cn => [ [ bmp => "\x5c\x71\x75\x30" ] ] ],
    'T61String' => [ cn => [ [ t61 => "Jos\xe9" ] ] ],
    'no name' => [ cn => [] ],
    'serial 1' => [ serial => "\1" ],
    'serial of 20 bytes' => [ serial => "\x7f" x 20 ],
    'revoked serial of 20 bytes' => [ serial => "\x7e" x 20 ],
);

$t->forge($_, cn => \@alice, extensions => [ $eku ], %{ { @{ $forged{$_} } } })
    for sort keys %forged;

$t->write_file('crls', join '',
    $t->crl('ca', revoked => [ 'revoked', 'old' ], serials => [ "\x7e" x 20 ]),
    map { $t->crl($_), $t->read_file("$_.pem") } qw(sub old));

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    log_format  verdict  escape=none '$status $gate_verdict $gate_reason '
                                     '"$gate_user"';

    gate_policy staff {
        certificate  required eku=clientAuth min_key=rsa:2048,ec:256;
        user         $gate_cert_email $gate_cert_cn;
        crl          crls;
    }
END
        ssl_verify_depth  2;
        ssl_protocols     TLSv1.2;
        ssl_ciphers       DEFAULT:@SECLEVEL=1;
        ssl_ecdh_curve    X25519:prime256v1:secp224r1;
        access_log        %%DIR%%/verdict.log verdict;
        gate              staff;
END2

my $lines = 0;
my $refused = '403 DENIED certificate ""';
my $unverified = '400 DENIED certificate ""';

# what, the certificate, and what the log says of its request

for ([ 'RSA of 2048 bits', 'rsa', passed('rsa@example.jp') ],
     [ 'P-256', 'p256', passed('p256@example.jp') ],
     [ 'Ed25519', 'ed25519', passed('ed25519@example.jp') ],
     [ 'a chain of 3', 'three', passed('three@example.jp') ],
     [ 'a chain of 3 that is not sent', 'alone', $unverified ],
     [ 'none', undef, $refused ],

     [ 'expired', 'expired', $unverified ],
     [ 'not yet valid', 'early', $unverified ],

     [ 'several purposes', 'several', passed('several@example.jp') ],
     [ 'no purpose', 'any', denied('certificate', 'any@example.jp') ],
     [ 'purpose: server', 'server', $unverified ],
     [ 'purpose: e-mail', 'mail', $unverified ],
     [ 'key usage: to sign certificates', 'signer', $unverified ],

     [ 'a CA as leaf', 'authority', $refused ],
     [ 'an intermediate CA itself', 'issuer', $refused ],
     [ 'signed by itself', 'self', $unverified ],
     [ 'signed by an unknown CA', 'stranger', $unverified ],

     [ 'weak key: RSA of 1024 bits', 'weak',
       denied('certificate', 'weak@example.jp') ],
     [ 'weak key: P-224', 'p224', denied('certificate', 'p224@example.jp') ],

     [ 'a revoked leaf', 'revoked', denied('revoked', 'revoked@example.jp') ],
     [ 'a revoked intermediate', 'orphan',
       denied('revoked', 'orphan@example.jp') ],
     [ 'serial number 1', 'serial 1', passed('alice') ],
     [ 'a serial number of 20 bytes', 'serial of 20 bytes', passed('alice') ],
     [ 'a revoked one', 'revoked serial of 20 bytes',
       denied('revoked', 'alice') ],

     [ 'two CNs: the last', 'two CNs', passed('last') ],
     [ 'two CNs, the last of them empty', 'two CNs, the last empty',
       $refused ],
     [ '100 SANs', '100 SANs', passed('many@example.jp') ],
     [ '48 KiB of SANs', '48 KiB of SANs', passed('heavy@example.jp') ],
     [ 'a CN with a NUL', 'NUL in the CN', $refused ],
     [ 'an e-mail address with a NUL', 'NUL in the e-mail', $refused ],
     [ 'a BMPString', 'BMPString', passed("\xe5\xb1\xb1\xe7\x94\xb0") ],
     [ 'a T61String', 'T61String', passed("Jos\xc3\xa9") ],
     [ 'no name at all', 'no name', $refused ])
{
    my ($what, $cert, $verdict) = @$_;

    is(verdict($cert), $verdict, "$what: $verdict");
}

# OpenSSL can make no ticket of a session with as much

like(verdict('64 KiB of SANs'),
     qr/^no connection$|^200 PASSED  "heavy\@example\.jp"$/, '64 KiB of SANs');

$t->done;

sub passed { return qq(200 PASSED  "$_[0]") }
sub denied { return qq(403 DENIED $_[0] "$_[1]") }

# What the log says of a request with this certificate.

sub verdict {
    my ($cert) = @_;

    if (grep { $_ eq ($cert // '') } qw(weak p224)) {
        weak($cert);

    } else {
        my $client = $t->client(cert => $cert) or return 'no connection';
        $client->request('/report', close => 1);
    }

    return $t->logged(++$lines, 'verdict.log');
}

# A request with a key that only this client would take.

sub weak {
    my ($cert) = @_;

    my $file = "$t->{dir}/$cert.pem";

    open my $client, '|-', 'openssl s_client -quiet -ign_eof '
        . "-connect 127.0.0.1:$t->{port} -cert $file -key $file "
        . "-groups X25519:P-256:P-224 -cipher 'DEFAULT:\@SECLEVEL=0' >$t->{dir}/weak 2>&1"
        or die "openssl: $!";
    print $client "GET /report HTTP/1.1\r\nHost: localhost\r\n"
                  . "Connection: close\r\n\r\n";
    close $client;
}
