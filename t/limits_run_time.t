#!/usr/bin/perl

# A limit may come from a variable.  One that is no number lets nobody pass,
# and is told once for each request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);
$t->document('byte', 1);

my $redis = $t->redis;

my $nginx = $t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/ger,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    map $arg_value $limit {
        ""         "";
        none       $gate_cert_cn;
        blank      " 1m";
        blanks     "1m ";
        quotes     '1"m';
        feed       "1m\n";
        plus       "+1m";
        default    $arg_value;
    }

    gate_policy bytes {
        user         $arg_user;
        certificate  off;
        quota        bytes=$limit per=day %%NOON%%;
    }

    gate_policy requests {
        user         $arg_user;
        certificate  off;
        quota        requests=$limit per=1h;
    }

    gate_policy both {
        user         $arg_user;
        certificate  off;
        quota        requests=100 per=day %%NOON%%;
        quota        bytes=$limit per=day %%NOON%% name=volume;
        quota        bytes=1g per=1h;
    }

    server {
        listen      unix:%%DIR%%/backend.sock;
        access_log  %%DIR%%/backend.log;
        root        %%DIR%%/docs;
    }
END
                               server => <<'END2'));
        location /bytes/    { gate bytes; alias %%DIR%%/docs/; }
        location /requests/ { gate requests; alias %%DIR%%/docs/; }
        location /both/     {
            gate        both;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/;
        }
END2

my $lines = 0;
my $user = 0;

# nonsense: what the request asks for, and what the limit is then

for ([ '', '' ], [ 'none', '' ], [ 'abc' ], [ '-1' ], [ '12x' ], [ 'x12' ],
     [ '1.5m' ], [ '1mm' ], [ 'm' ], [ '0x10' ], [ '1t' ], [ 'Off' ],
     [ 'offf' ], [ 'blank', ' 1m' ], [ 'blanks', '1m ' ], [ 'plus', '+1m' ],
     [ 'quotes', '1"m' ], [ '99999999999999999999' ],
     [ '9223372036854775808' ], [ '8589934592g' ], [ '1' x 2000 ])
{
    my ($value, $limit) = @$_;

    $limit //= $value;

    # what the log has of it

    my $told = substr $limit =~ tr/"/?/r, 0, 128;
    my $what = $value =~ /^1{2000}/ ? '2000 digits' : qq("$limit");
    my $before = errors();

    # a user for each, so that no other limit of his is known

    $user++;

    for my $unit ('bytes', 'requests') {
        is(ask("/$unit/report?user=$user&value=$value"),
           '503 DENIED unavailable', "$unit: $what is refused");
        is($nginx->said(qr/\[error\].*\Qthe limit of quota "$unit-\E(day|1h)
                           \Q" of policy "$unit" is no number: "$told"\E/x),
           1, "$unit: $what: one line names quota and value")
            unless $value eq 'none';
    }

    is(errors() - $before, 2, "$what: there is no other error");
}

# among others

my $before = errors();

is(ask('/both/report?user=both&value=abc'), '503 DENIED unavailable',
   'one of three limits is no number: refused');
is($nginx->said(qr/limit of quota "volume" of policy "both" is no number: "abc"/
                ), 1, 'one of three limits: one line names it');
is(errors() - $before, 1, 'one of three limits: there is no other error');
is(join(', ', map { ask('/both/report?user=both&value=1m', http => $_) }
                  '1.1', 2),
   '200 PASSED -, 200 PASSED -', 'of three limits all are numbers: passed');
is(ask('/both/report?user=both&value=abc', http => 2),
   '503 DENIED unavailable', 'over HTTP/2, with a known account: refused');
is(scalar(split /\n/, $t->read_file('backend.log')), 2,
   'the backend hears of those that passed, and no other');
is($t->settled($redis, '{both}:both', 'requests-day', 2), 2,
   'no number: the other quotas are not charged');

# numbers

for my $unit ('bytes', 'requests') {
    is(join(', ', map { ask("/$unit/report?user=zero&value=$_") }
                      '0', '0k', '000'),
       '429 DENIED quota, ' x 2 . '429 DENIED quota', "$unit: 0 refuses all");
    is(join(', ', map { ask("/$unit/report?user=off&value=off") } 1 .. 3),
       '200 PASSED -, ' x 2 . '200 PASSED -', "$unit: off does not limit");
    is(ask("/$unit/report?user=off&value=0"), '429 DENIED quota',
       "$unit: 0 for a user who was not limited");
    is(join(', ', map { ask("/$unit/report?user=$_&value=$_") }
                      '4503599627370495', '4503599627370496',
                      '9223372036854775807', '8589934591g'),
       '200 PASSED -, ' x 3 . '200 PASSED -', "$unit: very large numbers");
    is(ask("/$unit/byte?user=1&value=00001"), '200 PASSED -',
       "$unit: 1 is one byte, or one request");
    is(ask("/$unit/byte?user=1&value=1"), '429 DENIED quota',
       "$unit: 1 is no more than that");
    is(ask("/$unit/byte?user=1&value=2"), '200 PASSED -',
       "$unit: 2 is one more");
    is(ask("/$unit/byte?user=1&value=9223372036854775807"), '200 PASSED -',
       "$unit: and without end with 2^63-1");
}

is(ask('/bytes/report?user=exact&value=1000'), '200 PASSED -',
   'what fits exactly passes');
is(ask('/bytes/report?user=short&value=999'), '429 DENIED quota',
   'what is one byte more does not');
is(ask('/bytes/report?user=one&value=1'), '429 DENIED quota',
   'a limit of one byte refuses a document');

is($t->settled($redis, '{1}:bytes', 'bytes-day', 3), 3,
   'Redis has what was delivered under all of these limits');
is($t->settled($redis, '{9223372036854775807}:bytes', 'bytes-day', 1000), 1000,
   'Redis has what was delivered under 2^63-1');

$t->done;

# Status, verdict and reason

sub ask {
    my ($uri, %o) = @_;

    my $r = $o{http} ? $t->curl($uri, %o) : $t->get($uri, close => 1);
    my ($verdict) = $t->logged(++$lines) =~ /^\d+ ("\w*" "[\w-]*")/;

    return "$r->{status} " . ($verdict // 'no line in the log') =~ tr/"//dr;
}

sub errors {
    return $nginx->said(qr/\[(error|crit|alert|emerg)\]/);
}
