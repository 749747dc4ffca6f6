#!/usr/bin/perl

# Holds in a cluster: the hash is on one primary, and messages come from any
# node.  The primary that has it is killed: its replica has it, and what it had
# not, nodes tell it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Cluster;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $cluster = Test::Gate::Cluster->new($t);
my @redis = $cluster->nodes;
my $words = $cluster->lets_in;

my @ports = map { $t->port } 0, 1;
my @nginx = map { $t->nginx(conf(), port => $_) } @ports;

is(statuses('alice'), '200 200', 'nobody is held');

my $home = $cluster->of('gate:holds');
my ($other) = grep { $_ != $home } @redis;

# the message on another node than the hash

$home->command('HSET', 'gate:holds', 'h1', 'user=alice');
$home->command('HINCRBY', 'gate:holds', 'version', 1);
$other->command('PUBLISH', 'gate:holds', '');
ok($t->wait_for(sub { statuses('alice') eq '403 403' }), 'held on both nodes');
is(statuses('bob'), '200 200', 'others pass');

# no message at all

$home->command('HSET', 'gate:holds', 'h2', 'user=bob');
$home->command('HINCRBY', 'gate:holds', 'version', 1);
ok($t->wait_for(sub { statuses('bob') eq '403 403' }),
   'without a message it is found by its version');

is(join(' ', $cluster->denied), '', 'Redis denied nothing');

# the primary is gone, its replica takes over

$home->kill;
is(statuses('alice'), '403 403', 'its primary is killed: still held');

ok($t->wait_for(sub {
       my $now = eval { $cluster->of('gate:holds') } or return 0;
       return $now->command('HEXISTS', 'gate:holds', 'h1')
              && $now->command('HEXISTS', 'gate:holds', 'h2');
   }, 30), 'the new primary has them');

my $now = $cluster->of('gate:holds');

$t->hold($now, 'h3', 'user=carol');
ok($t->wait_for(sub { statuses('carol') eq '403 403' }, 30),
   'and is listened to');
is(statuses('alice'), '403 403', 'those of before hold');

$t->hold($now, 'h1', undef);
ok($t->wait_for(sub { statuses('alice') eq '200 200' }, 30), 'lifted');

$t->done;

sub statuses {
    my ($user) = @_;

    return join ' ', map {
        $t->as('1.1', $user, '/small', port => $_)->{status}
    } @ports;
}

sub conf {
    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    gate_redis { $words timeout 2s; }

    gate_policy open {
        certificate  off;
        user         \$http_x_user;
    }
END
        gate  open;
END2
}
