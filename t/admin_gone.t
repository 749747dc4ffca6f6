#!/usr/bin/perl

# An administrator's request that ends before Redis answers, since its worker
# has to leave: the answer finds nobody, and harms nobody.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

# what was freed is no longer what it was

$ENV{MALLOC_PERTURB_} = 165;

my @questions = map { "/admin/v1/$_" } 'usage?user=alice',
                'exposure?by=users', 'user?name=alice', 'incident?user=alice';

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $redis = $t->redis;
my $conf = $t->conf(workers => 1, listen => 'worker_shutdown_timeout 1s;',
                    http => <<'END', server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        requests=100 per=day;
    }
END
        gate counted;
        location /admin/    { gate off; gate_admin; }
        location = /metrics { gate off; gate_metrics; }
END2
my $nginx = $t->nginx($conf);

is($t->get($questions[0])->{status}, 200, 'Redis answers');

my $asked = read_questions();

$redis->halt;

my @clients = map { my $client = $t->client; $client->send($_); $client }
              @questions;

ok($t->wait_for(sub { read_questions() >= $asked + @clients }),
   'Redis is asked');

$nginx->reload($conf);

is($clients[$_]->response('GET')->{status}, 0, "cut: $questions[$_]")
    for 0 .. $#clients;

$redis->go_on;
ok($t->wait_for(sub { $t->get($questions[0])->{status} == 200 }),
   'others go on');

$t->done;

sub read_questions {
    my ($n) = $t->get('/metrics')->{body}
              =~ /^nginx_gate_redis_questions_total\{question="read"\} (\d+)/m;

    return $n // 0;
}
