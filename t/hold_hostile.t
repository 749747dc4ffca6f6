#!/usr/bin/perl

# Whatever stands in the hash of holds: it does no harm, it is told once, and
# those that are holds are in force.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $mib = 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $redis = $t->redis;
my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }
    gate_zone  4m;

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        requests=100000 per=1h;
    }
END
        gate  counted;
        location = /metrics { gate off; gate_metrics; }
END2

my @workers = sort $nginx->workers;

is(status('alice'), 200, 'nobody is held');

# fields and values of all kinds, besides two that are holds

my @garbage = (
    [ 'a b', 'user=bob' ], [ '', 'user=bob' ], [ "a\0b", 'user=bob' ],
    [ "\xff\xfe", 'user=bob' ], [ 'x' x 65, 'user=bob' ],
    [ 'y' x $mib, 'user=bob' ], [ "a\r\nb", 'user=bob' ],
    map { [ "g$_->[0]", $_->[1] ] } (
        [ 1, '' ], [ 2, 'bob' ], [ 3, "user=bob\r\n" ], [ 4, "user=b\0ob" ],
        [ 5, 'user=bob user=bob' ], [ 6, 'user=%' ], [ 7, 'user=bob slow=0' ],
        [ 8, 'user=bob until=x' ], [ 9, 'x' x (8 * $mib) ],
        [ 10, 'user=bob reason=' . 'x' x 2000 ], [ 11, "\xff" x 1000 ],
        [ 12, '{"user":"bob"}' ], [ 13, 'country=<script>' ],
        [ 14, 'certificate=00' ], [ 15, 'all=' ], [ 16, '%' x 1000 ],
    ),
);

$redis->command('HSET', 'gate:holds', map { @$_ } @garbage,
                [ h1 => 'user=alice' ], [ 'z.9' => "user=\xe5\xb1\xb1" ]);
bump();

ok($t->wait_for(sub { status('alice') == 403 }), 'a hold among them holds');
is(status("\xe5\xb1\xb1"), 403, 'and another');
is(status('bob'), 200, 'what is no hold holds nobody');

my $n = @garbage;
ok($t->wait_for(sub { said() }), 'the error log tells');
is($nginx->said(qr/\[error\].* $n fields of "gate:holds" in redis are no holds/),
   1, "of all $n, once");

# the same again, and nothing new to tell

$redis->command('PUBLISH', 'gate:holds', 'x' x $mib) for 1 .. 20;
$redis->command('PUBLISH', 'gate:holds', "\r\n\0");
is(status('alice'), 403, 'messages of any kind');
is(said(), 1, 'and nothing is told again');

# a version that is none

for my $version ('x', '-1', '1e300', '9' x 400, 'nan', '') {
    $redis->command('HSET', 'gate:holds', 'version', $version);
    $redis->command('PUBLISH', 'gate:holds', '');
    is(status('alice'), 403, 'a version of "' . substr($version, 0, 9) . '"');
}

$redis->command('HSET', 'gate:holds', 'version', 1000);
bump();
ok($t->wait_for(sub {
       $t->get('/metrics')->{body} =~ /^nginx_gate_holds_version 1001$/m
   }), 'and one again');

# more than there is room for: it is told, what is known of it is in force

$redis->command('HDEL', 'gate:holds', map { $_->[0] } @garbage);
$redis->command('HSET', 'gate:holds',
                map { (sprintf('m%04d', $_), "user=u$_") } 1 .. 1500);
bump();

ok($t->wait_for(sub { status('u1') == 403 }), 'more than 1,024: the first');
ok($t->wait_for(sub { $nginx->said(qr/\[error\].*too many holds/) }),
   'the error log tells');
is($nginx->said(qr/478 of them are not in force/), 1, 'how many, once');
is(status('u1100'), 200, 'which hold nobody');
is(status('alice'), 403, 'those before them do');
like($t->get('/metrics')->{body}, qr/^nginx_gate_holds 1024$/m,
     'metrics count what is in force');

# so many that they are not even looked at

$redis->command('HSET', 'gate:holds',
                map { (sprintf('n%04d', $_), "user=v$_") } 1 .. 4000);
bump();

ok($t->wait_for(sub {
       $nginx->said(qr/\[error\].*does not tell the holds: "TOOMANY/)
   }), 'more than 4,096: it is told');
is(status('alice'), 403, 'what was known stays in force');
is(status('v1'), 200, 'and nothing else is');

# not a hash

$redis->command('DEL', 'gate:holds');
$redis->command('SET', 'gate:holds', 'user=bob');
$redis->command('PUBLISH', 'gate:holds', '');
is(status('alice'), 403, 'no hash: what was known stays');
is(status('u7'), 403, 'all of it');

$redis->command('DEL', 'gate:holds');
$t->hold($redis, 'h2', 'user=bob');
ok($t->wait_for(sub { status('bob') == 403 }), 'a hash again: it is believed');
ok($t->wait_for(sub { $nginx->said(qr/redis tells the holds again/) }),
   'the error log tells');
is(status('alice'), 403, 'and Redis was told what it had lost');
is($redis->command('HGET', 'gate:holds', 'h1'), 'user=alice', 'as it was');
$t->hold($redis, 'h1', undef);
ok($t->wait_for(sub { status('alice') == 200 }), 'which can be lifted');

is(join(' ', sort $nginx->workers), "@workers", 'no worker crashed');

$t->done;

sub status {
    my ($user) = @_;

    return $t->as('1.1', $user, '/small')->{status};
}

sub said { return $nginx->said(qr/fields of "gate:holds" in redis are no/) }

sub bump {
    $redis->command('PUBLISH', 'gate:holds',
                    $redis->command('HINCRBY', 'gate:holds', 'version', 1));
}
