#!/usr/bin/perl

# Whose certificate has a name that is no plain text is nobody: refused.  Any
# other name is the user, in UTF-8, whatever the certificate had it in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);
$t->certificate('plain', cn => 'plain', email => 'plain@example.jp');

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    log_format  user  escape=none '$status $gate_verdict $gate_reason '
                                  '"$gate_user"';

    gate_policy cn {
        user   $gate_cert_cn;
        quota  requests=1000 per=day;
    }

    gate_policy email {
        user   $gate_cert_email;
        quota  requests=1000 per=day;
    }

    gate_policy org  { user $gate_cert_org; }
    gate_policy unit { user $gate_cert_unit; }
    gate_policy dns  { user $gate_cert_dns; }
    gate_policy uri  { user $gate_cert_uri; }
    gate_policy upn  { user $gate_cert_upn; }

    gate_policy several {
        user   $gate_cert_upn $gate_cert_email "cn $gate_cert_cn/";
        quota  requests=1000 per=day;
    }

    gate_policy validity {
        user   "$gate_cert_not_before $gate_cert_not_after";
    }
END
        access_log  %%DIR%%/user.log user;
        gate        cn;

        location /email/ { gate email; alias %%DIR%%/docs/; }
        location /org/ { gate org; alias %%DIR%%/docs/; }
        location /unit/ { gate unit; alias %%DIR%%/docs/; }
        location /dns/ { gate dns; alias %%DIR%%/docs/; }
        location /uri/ { gate uri; alias %%DIR%%/docs/; }
        location /upn/ { gate upn; alias %%DIR%%/docs/; }
        location /several/ { gate several; alias %%DIR%%/docs/; }
        location /validity/ { gate validity; alias %%DIR%%/docs/; }
END2

my $lines = 0;
my $refused = '403 DENIED certificate ""';

# a certificate that will have ended when the rest is tested

my $end = time + 5;
my %tls = (SSL_version => 'TLSv1_2', SSL_session_key => 'short',
           SSL_session_cache => IO::Socket::SSL::Session_Cache->new(4));

$t->forge('short', cn => [ [ utf8 => 'short' ] ], after => $end);

my $kept = $t->client(cert => 'short', tls => \%tls);

is($kept->request('/report')->{status}, 200,
   'a certificate that ends soon passes');
$lines++;

is(user('plain', '/report'), '200 PASSED  "plain"', 'a CN');
is(user('plain', '/email/report'), '200 PASSED  "plain@example.jp"',
   'an e-mail address');

# usable: a CN as it is in the certificate, and the user that it makes

for ([ 'UTF-8', utf8 => "\xe5\xb1\xb1\xe7\x94\xb0", undef ],
     [ 'UTF-8 of four bytes', utf8 => "a\xf0\x9f\x98\x80", undef ],
     [ 'Latin-1 in a T61String', t61 => "Jos\xe9", "Jos\xc3\xa9" ],
     [ 'a BMPString', bmp => "\x5c\x71\x75\x30",
       "\xe5\xb1\xb1\xe7\x94\xb0" ],
     [ 'a UniversalString', universal => "\0\0\x5c\x71\0\0\x75\x30",
       "\xe5\xb1\xb1\xe7\x94\xb0" ],
     [ 'a PrintableString', printable => 'Yamada Taro', undef ],
     [ 'a quote, a brace and a backslash', utf8 => '"{a}\\', undef ],
     [ '255 bytes', utf8 => 'x' x 255, undef ],
     [ '85 letters of 3 bytes', utf8 => "\xe5\xb1\xb1" x 85, undef ])
{
    my ($what, $type, $cn, $user) = @$_;

    $user //= $cn;
    $t->forge('usable', cn => [ [ $type, $cn ] ]);
    is(user('usable', '/report'), qq(200 PASSED  "$user"), "CN: $what");
}

# unusable

for ([ 'empty', utf8 => '' ],
     [ '256 bytes', utf8 => 'x' x 256 ],
     [ '86 letters of 3 bytes', utf8 => "\xe5\xb1\xb1" x 86 ],
     [ '128 letters of 2 bytes that were one', t61 => "\xe9" x 128 ],
     [ '4 KiB', utf8 => 'x' x 4096 ],
     [ '4 KiB with blanks', printable => 'name ' x 820 ],
     [ 'a NUL', utf8 => "alice\0" ],
     [ 'a NUL in the middle', ia5 => "alice\0.example" ],
     [ 'a NUL first', utf8 => "\0alice" ],
     [ 'a NUL of a BMPString', bmp => "\0a\0\0\0b" ],
     [ 'a line feed', utf8 => "alice\nbob" ],
     [ 'a carriage return', utf8 => "alice\rbob" ],
     [ 'a tab', utf8 => "alice\tbob" ],
     [ 'an escape', utf8 => "\e[1malice" ],
     [ 'a DEL', utf8 => "alice\x7f" ],
     [ 'a C1 control', utf8 => "alice\xc2\x85" ],
     [ 'a C1 control of Latin-1', t61 => "alice\x9b" ],
     [ 'a right-to-left override', utf8 => "alice\xe2\x80\xae" ],
     [ 'a left-to-right mark', bmp => "\0a\x20\x0e" ],
     [ 'a line separator', utf8 => "alice\xe2\x80\xa8bob" ],
     [ 'an Arabic letter mark', utf8 => "alice\xd8\x9c" ],
     [ 'an isolate', utf8 => "alice\xe2\x81\xa6" ],
     [ 'no text but bits', bits => "\0alice" ])
{
    my ($what, $type, $cn) = @$_;

    $t->forge('unusable', cn => [ [ $type, $cn ] ]);
    is(user('unusable', '/report'), $refused, "CN: $what: refused");
}

# OpenSSL takes no certificate with such a name: if it is not nginx that ends
# the handshake, it is the client that cannot even begin it

for ([ 'broken UTF-8', utf8 => "alice\xff" ],
     [ 'UTF-8 that is cut', utf8 => "alice\xe5\xb1" ],
     [ 'an overlong form', utf8 => "alice\xc0\xaf" ],
     [ 'half a letter of a BMPString', bmp => "\0a\0" ],
     [ 'no text but octets', octets => 'alice' ],
     [ 'a GeneralString', general => 'alice' ])
{
    my ($what, $type, $cn) = @$_;

    $t->forge('broken', cn => [ [ $type, $cn ] ]);
    like(user('broken', '/report'), qr/^no connection$|^\Q$refused\E$/,
         "CN: $what: refused");
}

# how many

$t->forge('none', cn => []);
is(user('none', '/report'), $refused, 'no CN: refused');

$t->forge('two', cn => [ [ utf8 => 'first' ], [ utf8 => 'last' ] ]);
is(user('two', '/report'), '200 PASSED  "last"', 'of two CNs the last');

$t->forge('two', cn => [ [ utf8 => 'first' ], [ utf8 => "la\0st" ] ]);
is(user('two', '/report'), $refused,
   'of two CNs the last, which is unusable: refused');

$t->forge('two', cn => [ [ utf8 => 'x' x 4096 ], [ utf8 => 'last' ] ]);
is(user('two', '/report'), '200 PASSED  "last"',
   'of two CNs the last, whatever the first is');

# e-mail: the first of the subject alternative names

my $dns = "\x82\x09localhost";

for ([ 'none', [], undef ],
     [ 'but a DNS name', [], undef, $dns ],
     [ 'after a DNS name', [ 'a@b.jp' ], 'a@b.jp', $dns ],
     [ 'of two the first', [ 'a@b.jp', 'c@d.jp' ], 'a@b.jp' ],
     [ '255 bytes', [ 'x' x 250 . '@b.jp' ], 'x' x 250 . '@b.jp' ],
     [ '256 bytes', [ 'x' x 251 . '@b.jp' ], undef ],
     [ 'empty', [ '' ], undef ],
     [ 'a NUL', [ "a\@b.jp\0.evil" ], undef ],
     [ 'a blank', [ 'a b@c.jp' ], undef ],
     [ 'a line feed', [ "a\@b.jp\n" ], undef ],
     [ 'no ASCII', [ "\xc3\xa9\@b.jp" ], undef ],
     [ 'of two the first, unusable', [ "a\0\@b.jp", 'c@d.jp' ], undef ])
{
    my ($what, $emails, $user, @names) = @$_;

    $t->forge('email', cn => [ [ utf8 => 'alice' ] ], emails => $emails,
              names => \@names);
    is(user('email', '/email/report'),
       defined $user ? qq(200 PASSED  "$user") : $refused,
       "e-mail: $what" . (defined $user ? '' : ': refused'));
}

# an address in the subject is none that a CA has looked at

$t->certificate('subject', config => "CN = alice\nemailAddress = a\@b.jp\n");
is(user('subject', '/email/report'), $refused,
   'e-mail: in the subject only: refused');

# O and OU: the last of the subject

for my $name (qw(o ou)) {
    my $place = $name eq 'o' ? 'org' : 'unit';

    for ([ 'none', [], undef ],
         [ 'one', [ [ utf8 => '株式会社' ] ], '株式会社' ],
         [ 'a BMPString', [ [ bmp => "\x5c\x71" ] ], '山' ],
         [ 'of two the last', [ [ utf8 => 'a' ], [ utf8 => 'b' ] ], 'b' ],
         [ 'a NUL', [ [ utf8 => "a\0" ] ], undef ],
         [ 'a right-to-left override', [ [ utf8 => "a\xe2\x80\xae" ] ],
           undef ])
    {
        my ($what, $values, $user) = @$_;

        $t->forge('subject', cn => [ [ utf8 => 'alice' ] ],
                  $name => $values);
        is(user('subject', "/$place/report"), expected($user),
           uc($name) . ": $what" . (defined $user ? '' : ': refused'));
    }
}

# DNS names and URIs: the first of the subject alternative names

for my $name (qw(dns uri)) {
    my %good = (dns => 'host.example.jp', uri => 'spiffe://example.jp/a%20b');
    my $list = $name eq 'dns' ? 'dns' : 'uris';

    for ([ 'none', [], undef ],
         [ 'one', [ $good{$name} ], $good{$name} ],
         [ 'of two the first', [ 'first', 'second' ], 'first' ],
         [ '255 bytes', [ 'x' x 255 ], 'x' x 255 ],
         [ '256 bytes', [ 'x' x 256 ], undef ],
         [ 'empty', [ '' ], undef ],
         [ 'a NUL', [ "a\0b" ], undef ],
         [ 'a blank', [ 'a b' ], undef ],
         [ 'no ASCII', [ "\xc3\xa9" ], undef ],
         [ 'of two the first, unusable', [ "a\nb", 'second' ], undef ])
    {
        my ($what, $values, $user) = @$_;

        $t->forge('alternative', cn => [ [ utf8 => 'alice' ] ],
                  emails => [ 'a@b.jp' ], $list => $values);
        is(user('alternative', "/$name/report"), expected($user),
           uc($name) . ": $what" . (defined $user ? '' : ': refused'));
    }
}

# UPN: the first such otherName

my $other = "\xa0\x0e\x06\x03\x2a\x03\x04\xa0\x07\x0c\x05" . 'alice';

for ([ 'none', [], undef ],
     [ 'another otherName', [], undef, $other ],
     [ 'after another otherName', [ [ utf8 => 'a@b.jp' ] ], 'a@b.jp',
       $other ],
     [ 'not only ASCII', [ [ utf8 => '山田@example.jp' ] ],
       '山田@example.jp' ],
     [ 'of two the first', [ [ utf8 => 'a' ], [ utf8 => 'b' ] ], 'a' ],
     [ '256 bytes', [ [ utf8 => 'x' x 256 ] ], undef ],
     [ 'empty', [ [ utf8 => '' ] ], undef ],
     [ 'a NUL', [ [ utf8 => "a\0\@b.jp" ] ], undef ],
     [ 'a bidi mark', [ [ utf8 => "a\xe2\x80\x8f" ] ], undef ],
     [ 'no UTF-8 string', [ [ ia5 => 'a@b.jp' ] ], undef ],
     [ 'octets', [ [ octets => 'a@b.jp' ] ], undef ],
     [ 'no UTF-8 at all', [ [ utf8 => "a\xff" ] ], undef ],
     [ 'UTF-8 that is cut', [ [ utf8 => "a\xe5\xb1" ] ], undef ],
     [ 'UTF-8 that goes on with a letter', [ [ utf8 => "a\xe5\xb1b" ] ],
       undef ],
     [ 'an overlong form', [ [ utf8 => "a\xc0\xaf" ] ], undef ],
     [ 'a surrogate', [ [ utf8 => "a\xed\xa0\x80" ] ], undef ],
     [ 'beyond U+10FFFF', [ [ utf8 => "a\xf4\x90\x80\x80" ] ], undef ],
     [ 'of two the first, unusable', [ [ ia5 => 'a' ], [ utf8 => 'b' ] ],
       undef ])
{
    my ($what, $upns, $user, @names) = @$_;

    $t->forge('upn', cn => [ [ utf8 => 'alice' ] ], upns => $upns,
              names => \@names);
    is(user('upn', '/upn/report'), expected($user),
       "UPN: $what" . (defined $user ? '' : ': refused'));
}

# what is broken is no name, and harms nobody

my $upn = "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03";

for ([ 'a UPN that is a NULL', "\xa0\x10$upn\xa0\x02\x05\0" ],
     [ 'a UPN that is a boolean', "\xa0\x11$upn\xa0\x03\x01\x01\xff" ],
     [ 'a UPN that is an OID', "\xa0\x11$upn\xa0\x03\x06\x01\x2a" ],
     [ 'a UPN that is a sequence', "\xa0\x10$upn\xa0\x02\x30\0" ],
     [ 'an otherName without a value', "\xa0\x0c$upn" ],
     [ 'a name of no known kind', "\x8f\x01a" ],
     [ 'a length beyond the end', "\x81\x7fa" ])
{
    my ($what, $der) = @$_;

    $t->forge('odd', cn => [ [ utf8 => 'alice' ] ], names => [ $der ]);
    like(user('odd', '/upn/report'), qr/^no connection$|^\Q$refused\E$/,
         "SAN: $what: refused");
}

# many of them

$t->forge('many', cn => [ [ utf8 => 'alice' ] ],
          dns => [ map { "host$_" } 1 .. 100 ], emails => [ 'a@b.jp' ]);
is(user('many', '/dns/report'), '200 PASSED  "host1"', '100 SANs: the first');
is(user('many', '/email/report'), '200 PASSED  "a@b.jp"',
   '100 SANs: the first of its kind');

for my $kib (48, 64) {
    my $dns = join ' ', map { sprintf 'host%04d.example.example.jp', $_ }
                            1 .. 38 * $kib;

    $t->forge('heavy', cn => [ [ utf8 => 'alice' ] ], emails => [ 'a@b.jp' ],
              dns => [ split / /, $dns ]);

    # of 64 KiB, OpenSSL can make no ticket of a session

    like(user('heavy', '/email/report'),
         $kib == 64 ? qr/^no connection$|^200 PASSED  "a\@b\.jp"$/
                    : qr/^200 PASSED  "a\@b\.jp"$/, "$kib KiB of SANs");
}

# several keys: the first that the certificate has

for ([ 'UPN', 'a@upn', [ 'a@b.jp' ], [ [ utf8 => 'a@upn' ] ] ],
     [ 'e-mail', 'a@b.jp', [ 'a@b.jp' ], [] ],
     [ 'e-mail, for the UPN is unusable', 'a@b.jp', [ 'a@b.jp' ],
       [ [ utf8 => "a\n" ] ] ],
     [ 'a text with a CN', 'cn alice/', [], [] ])
{
    my ($what, $user, $emails, $upns) = @$_;

    $t->forge('several', cn => [ [ utf8 => 'alice' ] ], emails => $emails,
              upns => $upns);
    is(user('several', '/several/report'), expected($user),
       "the first key that is not empty: $what");
}

# time

$t->forge('dated', cn => [ [ utf8 => 'alice' ] ], before => 1771234567,
          after => 2147483647);
is(user('dated', '/validity/report'),
   expected('2026-02-16T09:36:07Z 2038-01-19T03:14:07Z'),
   'the validity, as of RFC 3339');

my $now = time;

$t->forge('expired', cn => [ [ utf8 => 'alice' ] ], before => $now - 7200,
          after => $now - 3600);
is(user('expired', '/report'), '400 DENIED certificate ""',
   'an expired certificate: refused');

$t->forge('early', cn => [ [ utf8 => 'alice' ] ], before => $now + 3600,
          after => $now + 7200);
is(user('early', '/report'), '400 DENIED certificate ""',
   'a certificate that is not yet valid: refused');

# the end of a certificate is the end of its connections and sessions

$t->wait_for(sub { time > $end });
is($kept->request('/report')->{status}, 403,
   'a certificate ends on a connection that is kept: refused');

my $resumed = $t->client(cert => 'short', tls => \%tls);

ok($resumed->{socket}->get_session_reused, 'its session is resumed');
is($resumed->request('/report')->{status}, 403,
   'a certificate ends in a session that is resumed: refused');

$t->done;

# What the log says of who is this user, or nobody.

sub expected {
    my ($user) = @_;

    return defined $user ? qq(200 PASSED  "$user") : $refused;
}

# What the log says of a request

sub user {
    my ($cert, $uri) = @_;

    my $client = $t->client(cert => $cert) or return 'no connection';
    my @log;

    # the client has made a connection of TLS 1.3 before the server has

    $client->request($uri, close => 1)->{status} or return 'no connection';
    $lines++;
    $t->wait_for(sub {
        @log = split /\n/, $t->read_file('user.log');
        return @log >= $lines;
    });

    return $log[$lines - 1] // 'no line in the log';
}
