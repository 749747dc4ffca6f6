#!/usr/bin/perl

# A hold that is set in Redis: within a second three nodes refuse whom it is
# about, and downloads that are under way are cut; others notice nothing.  It
# outlives Redis, what Redis remembers, and a node.

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
$t->document('large', 64 * $mib);

my $redis = $t->redis;
my $conf = $t->conf(http => <<'END', server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        requests=100000 per=1h;
        quota        bytes=100g per=1h;
    }
END
        gate  counted;
        location = /large { limit_rate 1m; }
        location /metrics { gate off; gate_metrics; }
END2

my @ports = map { $t->port } 0 .. 2;
my @nginx = map {
    $t->nginx($conf =~ s/access\.log/access$_.log/r, port => $ports[$_])
} 0 .. 2;

is(statuses('alice'), '200 200 200', 'nobody is held');

# downloads on the second node, over HTTP/1.1 and HTTP/2

my @downloads = map { download(@$_) } [ 'alice', '1.1' ], [ 'alice', '2' ],
                                      [ 'bob', '1.1' ], [ 'bob', '2' ];

ok($t->wait_for(sub { 4 == grep { size($_) > $mib / 2 } @downloads }),
   'downloads run');

$t->hold($redis, 'h1', 'user=alice by=carol reason=takes the whole archive');

# a node that has been told does it at once, the others within a second

for my $n (0 .. 2) {
    ok($t->wait_for(sub { status('alice', $n) == 403 }, 1),
       "node $n refuses within a second");
}

for my $d (@downloads[0, 1]) {
    ok($t->wait_for(sub { ended($d) }, 1),
       "HTTP/$d->{http}: the download is cut within a second");
    cmp_ok(size($d), '<', 64 * $mib, 'the client did not get it whole');
    isnt($d->{exit}, 0, 'and knows');
}

is(statuses('bob'), '200 200 200', 'others notice nothing');

my @sizes = map { size($_) } @downloads[2, 3];

ok($t->wait_for(sub {
       size($downloads[2]) > $sizes[0] && size($downloads[3]) > $sizes[1];
   }), 'and their downloads go on');
is((grep { ended($_) } @downloads[2, 3]), 0, 'not cut');

like($t->logged(1, 'access0.log'), qr/^200 "PASSED"/, 'the log: passed');
ok($t->wait_for(sub {
       $t->read_file('access0.log') =~ m{^403 "DENIED" "held" "counted" "alice"}m
   }), 'and then held');
ok($t->wait_for(sub {
       2 == (() = $t->read_file('access1.log')
                  =~ m{^200 "DENIED" "held" "counted" "alice".* /large$}mg)
   }), 'of what was cut, too');
is($nginx[0]->said(qr/hold h1 is set: user "alice", by "carol"/), 1,
   'the error log says who set it');
cmp_ok($nginx[0]->said(qr/refused: held h1, policy "counted", user "alice"/),
       '>', 0, 'and whom it refused');
like($t->get('/metrics', port => $ports[2])->{body},
     qr/^nginx_gate_holds 1\nx?.*^nginx_gate_holds_version 1$/ms,
     'metrics: one hold');

# what was charged is what left

is($t->settled($redis, '{carol}:counted', 'bytes-1h', 0), 0, 'carol took none');

# a message that nobody heard

$redis->command('HSET', 'gate:holds', 'h2', 'user=dave');
is(statuses('dave'), '200 200 200', 'a hold whose version is the old one');
$redis->command('HINCRBY', 'gate:holds', 'version', 1);
ok($t->wait_for(sub { statuses('dave') eq '403 403 403' }, 3),
   'without a message it is found by its version');

# Redis is killed, and a node

$redis->command('SAVE');
$redis->kill;
is(statuses('alice'), '403 403 403', 'Redis is away: still held');
$redis->start;

$nginx[2]->kill_all;
$nginx[2]->start($conf);
is(statuses('alice'), '403 403 403', 'Redis and a node are new: still held');
is(statuses('dave'), '403 403 403', 'dave, too');
ok($t->wait_for(sub { status('bob', 2) == 200 }), 'others pass');

# Redis forgets

$redis->command('FLUSHALL');
ok($t->wait_for(sub {
       ($redis->command('HGET', 'gate:holds', 'h1') // '') =~ /^user=alice/
   }), 'Redis has forgotten, and is told again');
is(statuses('alice'), '403 403 403', 'still held');
ok($t->wait_for(sub {
       my %all = @{ $redis->command('HGETALL', 'gate:holds') };
       return $all{h2} && $all{version} >= 2;
   }), 'all of it');
cmp_ok((grep { $_->said(qr/redis had lost \d+ holds/) } @nginx), '>', 0,
       'the error log says so');

$redis->kill;
$redis->start;
ok($t->wait_for(sub { $redis->command('HEXISTS', 'gate:holds', 'h1') }),
   'a Redis that was started without its data is told, too');

# and a node that is new after that knows

$nginx[0]->kill_all;
$nginx[0]->start($conf =~ s/access\.log/access0.log/r);
is(status('alice', 0), 403, 'a new node knows');

# lifted

$t->hold($redis, 'h1', undef);
ok($t->wait_for(sub { statuses('alice') eq '200 200 200' }, 3), 'lifted');
is(statuses('dave'), '403 403 403', 'but not the other');
ok($t->wait_for(sub { $nginx[1]->said(qr/hold h1 is lifted: user "alice"/) }),
   'the error log says so');

# a reload keeps it

$nginx[1]->reload;
is(status('dave', 1), 403, 'after a reload still held');

for (@downloads) {
    kill KILL => $_->{pid} unless ended($_);
}

$t->done;

sub status {
    my ($user, $n) = @_;

    return $t->as('1.1', $user, '/small', port => $ports[$n])->{status};
}

sub statuses {
    my ($user) = @_;

    return join ' ', map { status($user, $_) } 0 .. 2;
}

sub download {
    my ($user, $http) = @_;

    my $file = $t->dir . "/download.$user.$http";
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec 'curl', '-q', '-s', '--insecure', "--http$http", '-o', $file,
             '-H', "X-User: $user", "https://127.0.0.1:$ports[1]/large";
        exit 127;
    }

    return { pid => $pid, file => $file, http => $http };
}

sub size { return -s $_[0]{file} // 0 }

sub ended {
    my ($d) = @_;

    if (!defined $d->{exit} && waitpid($d->{pid}, 1) > 0) {
        $d->{exit} = $? >> 8;
    }

    return defined $d->{exit};
}
