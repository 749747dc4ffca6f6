#!/usr/bin/perl

# Many accounts are settled no faster than Redis answers: what nobody waits for
# does not make it late for those who wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $n = 1000;
my $most = 256;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 10);
$t->write_file('later', "\0" x 8);

my $redis = $t->redis;
my $nginx = $t->nginx($t->conf(workers => 1, http => <<"END",
    gate_redis { server unix:$redis->{socket}; timeout 2h; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=1000 per=day @{[ $t->noon ]};
        lease        4m idle=1h;
    }
END
    server => <<'END'), later => "$t->{dir}/later");
        gate  counted;

        keepalive_requests  10000;

        location = /metrics { gate off; gate_metrics; }
END

my $client = $t->client;

is((grep { status("user$_") == 200 } 1 .. $n), $n, "$n users");

# an hour later all are idle, but Redis does not answer; two seconds are enough
# for several looks at what is idle

my $before = settles();

$redis->halt;
$nginx->later(3600);
undef $client;

ok($t->wait_for(sub { settles() - $before >= 8 }), 'some are settled');
ok(!$t->wait_for(sub { settles() - $before > $most }, 2),
   'but not all at once, while Redis does not answer');

$redis->go_on;

ok($t->wait_for(sub { settles() - $before >= $n }), 'it answers: all are');

my $account = 0;

ok($t->wait_for(sub {
       $account++ while $account < $n && $t->granted($redis,
           '{user' . ($account + 1) . '}:counted', 'requests-day') == 1;
       return $account == $n;
   }), 'to what each of them took');

is($nginx->said(qr/redis is lost/), 0, 'nothing was lost meanwhile');

# Redis forgets, and is told again, many at once; with who waits in between

$redis->command('FLUSHALL');
is(status('another'), 200, 'Redis forgot: who is new waits until it knows');
is((grep { $t->granted($redis, "{user$_}:counted", 'requests-day') == 1 }
        1 .. $n), $n, 'and by then it knows all');
is($nginx->said(qr/redis is lost/), 0, 'nothing was lost meanwhile');

$t->done;

sub status {
    $client //= $t->client;

    return $client->request('/document', headers => { 'X-User' => $_[0] })
                  ->{status};
}

sub settles {
    my ($n) = $t->get('/metrics')->{body}
              =~ /^nginx_gate_redis_questions_total\{question="settle"\} (\d+)/m;

    return $n;
}
