#!/usr/bin/perl

# A window that ends during a download: what leaves afterwards counts in the
# next one, if it fits there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 400_000;

# a slow nginx needs longer to start, and is given longer until midnight

my $patience = $ENV{TEST_PATIENCE} // 1;
my $slower = int 50_000 / $patience;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', $size);

$t->document('small', 1000);

rolling();
midnight();

$t->done;

# Twelve slots of a second: several of them end while it is on its way.

sub rolling {
    my $redis = $t->redis;
    my $port = $t->port;

    $t->nginx(conf($redis, 'bytes=1m per=12s name=rolling'), port => $port);

    my $client = $t->client(port => $port);

    $client->send('/slow/document', headers => { 'X-User' => 'alice' });

    my $r = $client->response('GET');

    ok($r->{whole} && $r->{body} eq $document,
       'rolling: the download goes on, and is whole');

    my %slots = slots($redis, 'alice', 'rolling');

    cmp_ok(scalar(grep { $_ } values %slots), '>', 2,
           'rolling: it is counted in the slots it left in');
    is($t->settled($redis, '{alice}:counted', 'rolling', $size), $size,
       'rolling: once, to the byte');

    # two of them never fit into any twelve seconds with 100k on top

    is($t->as('1.1', 'alice', '/document', port => $port)->{status}, 200,
       'rolling: a second one fits');
    is($t->as('1.1', 'alice', '/document', port => $port)->{status}, 429,
       'rolling: a third does not');
}

# Redis' clock is a few seconds before midnight; that of nginx says nothing.

sub midnight {
    my $midnight = 1_904_342_400;       # 2030-05-07 00:00:00
    my $redis = $t->redis(ahead => $midnight - 4 * $patience - time);
    my $port = $t->port;

    my $nginx = $t->nginx(conf($redis, 'bytes=500k per=day name=daily'),
                          port => $port);

    my ($now) = @{ $redis->command('TIME') };

    cmp_ok($now, '<', $midnight, 'midnight: it is before') or return;

    # 400k at 50k a second: about eight seconds, before and after

    my $client = $t->client(port => $port);

    $client->send('/slower/document', headers => { 'X-User' => 'bob' });
    $client->more while length $client->{buffer} < 10_000;

    is($t->as('1.1', 'bob', '/document', port => $port)->{status}, 429,
       'midnight: beside it there is no room');

    my $r = $client->response('GET');

    ok($r->{whole} && $r->{body} eq $document,
       'midnight: the download goes on, and is whole');

    my ($before, $after);

    $t->wait_for(sub {
        my %slots = slots($redis, 'bob', 'daily');

        ($before, $after) = map { $slots{$_} // 0 } $midnight - 86400,
                                                    $midnight;
        return $before + $after == $size;
    }, 8);

    is($before + $after, $size, 'midnight: it is counted once, to the byte');
    cmp_ok($before, '>', 0, 'midnight: what left before, on the day before');
    cmp_ok($after, '>', 0, 'midnight: what left after, on the new day');
    is($t->as('1.1', 'bob', '/small', port => $port)->{status}, 200,
       'midnight: the new day has room');
}

sub slots {
    my ($redis, $user, $quota) = @_;

    my %hash = @{ $redis->command('HGETALL', "gate:{$user}:counted") };

    return map { /^$quota:(\d+)$/ ? ($1 => $hash{$_}) : () } keys %hash;
}

sub conf {
    my ($redis, $quota) = @_;

    return $t->conf(http => <<"END", server => <<"END2");
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        $quota;
    }
END
        gate  counted;

        location /slow/ {
            alias       %%DIR%%/docs/;
            limit_rate  50k;
        }

        location /slower/ {
            alias       %%DIR%%/docs/;
            limit_rate  $slower;
        }
END2
}
