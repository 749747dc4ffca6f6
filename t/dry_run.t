#!/usr/bin/perl

# A dry run refuses nobody: whoever would be is served whole, logged with the
# reason, and counted, also above the limit.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my ($japan, $germany) = qw(203.0.113.5 198.51.100.5);
my $kib = 1024;

my $t = Test::Gate->new;

$t->certificate($_, email => "$_\@example.jp")
    for qw(alice bob carol dave erin);
$t->certificate('nobody');
$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE');

my $document = $t->document('report', 400 * $kib);
my $redis = $t->redis;

$t->backend('chunked', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  sprintf("%x\r\n", length $document), $document,
                  "\r\n0\r\n\r\n";
});

my $nginx = $t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/ger,
    gate_redis { server unix:%%DIR%%/redis0.sock; }

    gate_policy partner {
        user           $gate_cert_email;
        allow_country  JP;
        quota          bytes=1000k per=day %%NOON%%;
    }

    gate_policy few {
        user   $gate_cert_email;
        quota  requests=2 per=day %%NOON%%;
    }

    gate_policy odd {
        user   $gate_cert_email;
        quota  bytes=$arg_limit per=day %%NOON%%;
    }
END
                               server => <<'END2'));
        gate            partner;
        gate_dry_run    on;
        gate_log_level  warn;
        add_header      Verdict "$gate_verdict $gate_reason" always;

        location /report   { }
        location /few/     { gate few; alias %%DIR%%/docs/; }
        location /odd/     { gate odd; alias %%DIR%%/docs/; }
        location /chunked  { proxy_pass http://unix:%%DIR%%/chunked.sock; }

        location /hard/ {
            gate_dry_run  off;
            alias         %%DIR%%/docs/;
        }
END2

# 1000 KiB are two documents and a half

my $lines = 0;
my $said = 0;

for ([ 'alice', '1.1', '/report' ], [ 'bob', 2, '/report' ],
     [ 'carol', '1.1', '/chunked' ], [ 'dave', 2, '/chunked' ])
{
    my ($user, $http, $uri) = @$_;
    my $what = "HTTP/$http $uri";

    is(dry($uri, cert => $user, from => $japan, http => $http),
       '200 whole, PASSED -', "$what: the first passes");
    is(dry($uri, cert => $user, from => $japan, http => $http),
       '200 whole, PASSED -', "$what: the second passes");

    # what is of unknown length passes first, and is found out as it flows

    is(dry($uri, cert => $user, from => $japan, http => $http),
       '200 whole, DENIED_DRY_RUN quota',
       "$what: the third would be refused");
    is(dry($uri, cert => $user, from => $japan, http => $http),
       '200 whole, DENIED_DRY_RUN quota',
       "$what: the fourth would be refused");

    ok($nginx->said(qr/\[warn\].* dry run, would refuse: quota bytes-day, /
                    . qr/policy "partner", user "$user\@example.jp"/),
       "$what: the error log says so");
}

is($t->get('/hard/report', cert => 'alice', from => $japan)->{status}, 429,
   'without a dry run the same user is refused');

$lines++;

# requests

is(join(', ', map { dry('/few/report', cert => 'alice') } 1 .. 4),
   join(', ', ('200 whole, PASSED -') x 2,
              ('200 whole, DENIED_DRY_RUN quota') x 2),
   'requests: two pass, two would be refused');
# country, certificate, a limit that is none

is(dry('/report', cert => 'erin', from => $germany),
   '200 whole, DENIED_DRY_RUN country', 'the country would be refused');
is($nginx->said(qr/\[warn\].* dry run, would refuse: country, .* country DE/),
   1, 'country: the error log has it');
is(dry('/report', from => $japan), '200 whole, DENIED_DRY_RUN certificate',
   'nobody would be refused');
is(dry('/report', cert => 'nobody', from => $japan),
   '200 whole, DENIED_DRY_RUN certificate',
   'a certificate without an e-mail address would be refused');
is($nginx->said(qr/\[warn\].* dry run, would refuse: certificate, /), 2,
   'certificate: the error log has both');
is(dry('/odd/report?limit=1k', cert => 'erin'),
   '200 whole, DENIED_DRY_RUN quota', 'a limit of 1k would refuse');
is(dry('/odd/report?limit=none', cert => 'erin'),
   '200 whole, DENIED_DRY_RUN unavailable', 'no number would refuse');

# Redis is down: what passes now is counted later

$redis->halt;
is(dry('/report', cert => 'erin', from => $japan),
   '200 whole, DENIED_DRY_RUN unavailable', 'no Redis would refuse');
is(dry('/report', cert => 'erin', from => $japan, http => 2),
   '200 whole, DENIED_DRY_RUN unavailable', 'no Redis would refuse, HTTP/2');
is($nginx->said(qr/\[warn\].* dry run, would refuse: unavailable, .* "partner"/
                ), 2, 'unavailable: the error log has both');
$redis->go_on;

# all of it is in Redis in the end

is($t->settled($redis, "{$_\@example.jp}:partner", 'bytes-day', 1600 * $kib),
   1600 * $kib, "$_: all four documents are counted")
    for qw(alice bob carol dave);
is($t->settled($redis, '{alice@example.jp}:few', 'requests-day', 4), 4,
   'requests: all four are counted');
is($t->settled($redis, '{erin@example.jp}:partner', 'bytes-day', 1200 * $kib),
   1200 * $kib, 'from abroad and while Redis was down: it is counted');

is(scalar($nginx->said(qr/gate: refused/)), 1,
   'in a dry run nothing is refused');

$t->done;

# Status, whether the document is right, and the verdict as the log has it

sub dry {
    my ($uri, %o) = @_;

    my $r = $o{http} ? $t->curl($uri, %o) : $t->get($uri, %o);
    my ($verdict) = $t->logged(++$lines) =~ /^\d+ ("\w*" "[\w-]*")/;

    return "$r->{status} " . ($r->{body} eq $document ? 'whole' : 'broken')
           . ', ' . ($verdict // 'no line in the log') =~ tr/"//dr;
}
