#!/usr/bin/perl

# Redis does not answer: who has credit passes, others wait no longer than the
# timeout, nobody else waits at all; and when it is back all is as before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::Gate;
use Test::More;

my $size = 300_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $size);

my $redis = $t->redis;

sub conf {
    my ($timeout, %o) = @_;

    return $t->conf(http => <<END =~ s/%%NOON%%/$t->noon/ger, %o,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout $timeout; }

    gate_policy strict {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=1g per=day %%NOON%%;
        lease        4m idle=1h;
    }

    gate_policy lenient {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=1g per=day %%NOON%%;
        store_down   allow=1m;
    }
END
        server => <<'END');
        location /strict/  { gate strict; alias %%DIR%%/docs/; }
        location /lenient/ { gate lenient; alias %%DIR%%/docs/; }
        location /health   { gate off; return 200 well; }
END
}

my $nginx = $t->nginx(conf('1s'));

is(status('/strict/document', 'alice'), 200, 'a user passes');

# Redis hangs: one worker has a question under way, and serves others

my $port = $t->port;

$t->nginx(conf('30s', workers => 1) =~ s/access\.log/second.log/r,
          port => $port);

my $asks = $t->client(port => $port);
my $other = $t->client(port => $port);

$redis->halt;

$asks->send('/strict/document', headers => { 'X-User' => 'bob' });

is($other->request('/health')->{body}, 'well',
   'another place goes on while a question hangs') for 1 .. 3;
ok(!IO::Select->new($asks->{socket})->can_read(0),
   'who asked still waits then');

$redis->go_on;

is($asks->response('GET')->{status}, 200, 'and passes when Redis answers');

# Redis hangs longer than the timeout

$redis->halt;

my @r = $t->parallel(6, sub {
    return status('/strict/document', "bob$_[0]");
});

is("@r", '503 ' x 5 . '503', 'no answer in time: refused');
is(status('/strict/document', 'alice'), 200, 'who has credit passes');
is(status('/health', 'bob'), 200, 'and other places go on');

$redis->go_on;

passes('bob', 'Redis goes on: normal without a reload');

# Redis is gone, for an nginx that has not lost it before

$nginx->stop;
$nginx = $t->nginx(conf('1s'));

is(status('/strict/document', 'alice'), 200, 'a user passes');

$redis->kill;

is(status('/strict/document', 'alice'), 200, 'Redis is gone: credit is spent');

my $lines = log_lines();

is(status('/strict/document', 'carol'), 503, 'without credit: refused');
like($t->logged($lines + 1), qr/^503 "DENIED" "unavailable" "strict" "carol"/,
     'the log says why');

@r = map { status('/strict/document', 'carol') } 1 .. 20;

is("@r", '503 ' x 19 . '503', 'and again and again');
is(status('/health', 'carol'), 200, 'other places go on');

# store_down allow=1m: three documents of 300 kB

@r = map { status('/lenient/document', 'dave') } 1 .. 4;
is("@r", '200 200 200 503', 'store_down allow lets through so much');

@r = map { status('/lenient/document', 'erin') } 1 .. 4;
is("@r", '200 200 200 503', 'each user');

# nginx calls a socket that is not there critical

my $lost = $nginx->said(qr/\[(error|crit)\].*redis/);

cmp_ok($lost, '>', 0, 'the error log says that Redis is lost');
cmp_ok($lost, '<=', 2, 'once a worker at most');

# Redis is back

$redis->start;

passes('carol', 'Redis is back: normal without a reload');

for my $user (qw(dave erin)) {
    is($t->settled($redis, "{$user}:lenient", 'bytes-day', 3 * $size),
       3 * $size, "what $user was let through reaches Redis");
}

is(status('/lenient/document', 'dave'), 200, 'and dave passes again');
is($t->settled($redis, '{dave}:lenient', 'bytes-day', 4 * $size), 4 * $size,
   'which is counted as ever');

my $again = $nginx->said(qr/redis connected again/);

cmp_ok($again, '>', 0, 'the error log says that it is back');
cmp_ok($again, '<=', 2, 'once a worker at most');

$t->done;

sub status {
    my ($uri, $user) = @_;

    return $t->as('1.1', $user, $uri)->{status};
}

# A new user each time, for one who passed once has credit.

sub passes {
    my ($user, $what) = @_;

    my ($n, $status) = (0);

    $t->wait_for(sub {
        $status = status('/strict/document', $user . '.' . $n++);
        return $status == 200;
    });

    is($status, 200, $what);
}

sub log_lines {
    return scalar(() = $t->read_file('access.log') =~ /\n/g);
}
