#!/usr/bin/perl

# Holds and a failover by Sentinels: those of before stay in force on all nodes
# and are told to the new primary, which then is the one that is listened to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Sentinels;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $group = Test::Gate::Sentinels->new($t);
my @redis = $group->redis;
my @ports = map { $t->port } 0, 1;
my @nginx = map { $t->nginx(conf(), port => $_) } @ports;

is(statuses('alice'), '200 200', 'nobody is held');

$t->hold($redis[0], 'h1', 'user=alice by=carol');
ok($t->wait_for(sub { statuses('alice') eq '403 403' }, 5), 'held');

# the primary is killed at the moment when there is another hold

$redis[0]->command('HSET', 'gate:holds', 'h2', 'user=bob');
$redis[0]->command('HINCRBY', 'gate:holds', 'version', 1);
$redis[0]->command('PUBLISH', 'gate:holds', '');
ok($t->wait_for(sub { statuses('bob') eq '403 403' }, 5), 'another one');

$redis[0]->kill;
is(statuses('alice'), '403 403', 'the primary is gone: still held');

my $new;

ok($t->wait_for(sub {
       delete $_->{connection} for @redis[1, 2];
       ($new) = grep { eval { $_->command('ROLE')->[0] eq 'master' } }
                @redis[1, 2];
       return $new && $new->command('HEXISTS', 'gate:holds', 'h1')
              && $new->command('HEXISTS', 'gate:holds', 'h2');
   }, 60), 'the new primary has both');

ok($t->wait_for(sub { statuses('dave') eq '200 200' }, 30), 'it is in use');
is(statuses('alice'), '403 403', 'alice is held');
is(statuses('bob'), '403 403', 'and bob');

$t->hold($new, 'h3', 'user=dave');
ok($t->wait_for(sub { statuses('dave') eq '403 403' }, 10),
   'a hold of the new primary is known');

$t->hold($new, 'h1', 'lifted since=' . time);
ok($t->wait_for(sub { statuses('alice') eq '200 200' }, 10),
   'and one that is lifted there');

$t->done;

sub statuses {
    my ($user) = @_;

    return join ' ', map {
        $t->as('1.1', $user, '/small', port => $_)->{status}
    } @ports;
}

sub conf {
    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    gate_redis {
        @{[ $group->servers ]}
        timeout  2s;
    }

    gate_policy open { certificate off; user \$http_x_user; }
END
        gate  open;
END2
}
