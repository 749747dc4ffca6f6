#!/usr/bin/perl

# Usage in a cluster: what users took lies where their keys lie, is added up by
# all nodes of the gate once, through a failover too, and is read from all of
# the primaries.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::Gate;
use Test::Gate::Cluster;
use Test::Gate::Usage;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document("$_/small", 1000) for qw(alpha beta);

my $cluster = Test::Gate::Cluster->new($t);
my $words = $cluster->lets_in;

my @ports = map { $t->port } 0, 1;
my @nginx = map { $t->nginx(conf(), port => $_) } @ports;
my $usage = Test::Gate::Usage->new($t, undef,
                                   where => sub { $cluster->of($_[0]) });

# users and projects of all primaries

my @users = map { "user$_" } 1 .. 12;
my %homes = map { $cluster->of("gate:{$_}/projects:x") => 1 } @users;

cmp_ok(scalar keys %homes, '==', 3, 'users of all three primaries');

for my $user (@users) {
    is(join(' ', map { status($user, "/$_->[0]/small", $_->[1]) }
                 [ alpha => 0 ], [ alpha => 1 ], [ beta => 1 ]), '200 200 200',
       "$user takes three");
}

for my $user (@users) {
    my $want = '#total: 3000 3 2, alpha: 2000 2 1, beta: 1000 1 1';

    is($usage->becomes('user', $user, $want), $want, "$user: is written down");
}

my $all = join ', ', map { "$_: 2000 2 1" } sort @users;

is($usage->becomes('project', 'alpha', "#total: 24000 24 12, $all"),
   "#total: 24000 24 12, $all", 'of a project');
is($usage->becomes('users', '', join ', ', map { "$_: 3000" } sort @users),
   join(', ', map { "$_: 3000" } sort @users), 'the list of the day');

# read, by either node; days and months

for my $port (@ports) {
    is(rows($port, 'user=user3'), 'alpha 2000, beta 1000', 'a user is read');
    is(rows($port, 'by=projects'), 'alpha 24000, beta 12000', 'projects');
    is(rows($port, 'project=beta&limit=1000'),
       join(', ', map { "$_ 1000" } sort @users), 'a project');
}

my ($year, $month) = (gmtime)[5, 4];
my $first = sprintf '%d-%02d-01', $year + 1900, $month + 1;

ok($t->wait_for(sub {
       rows($ports[0], "by=projects&from=$first") eq 'alpha 24000, beta 12000';
   }), 'of a month, which lies elsewhere');
is(rows($ports[0], "user=user3&from=$first"), 'alpha 2000, beta 1000',
   'a user in that');

is(join(' ', $cluster->denied), '', 'Redis denied nothing');

# a primary is killed: what is told meanwhile is there once

my $home = $cluster->of('gate:{user1}/projects:x');

$home->kill;

ok($t->wait_for(sub { status('user1', '/alpha/small', 0) == 200 }, 30),
   'requests pass meanwhile');

my $again = rows_of('user1');

ok($t->wait_for(sub { $again = rows_of('user1'); $again =~ /^alpha 3000/ }, 60),
   'and are written down by the new one') or diag($again);
is(rows_of('user1'), 'alpha 3000, beta 1000', 'once');

$t->done;

sub status {
    my ($user, $uri, $node) = @_;

    return $t->as('1.1', $user, $uri, port => $ports[$node])->{status};
}

sub rows {
    my ($port, $query) = @_;

    my $answer = eval { decode_json($t->get("/admin/v1/usage?$query",
                                            port => $port)->{body}) } // {};

    return join ', ', map { "$_->{name} $_->{bytes}" } @{ $answer->{rows} };
}

sub rows_of { return rows($ports[1], "user=$_[0]") }

sub conf {
    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    gate_redis { $words timeout 2s; }

    map \$uri \$project { ~^/(?<p>[^/]+)/ \$p; }

    gate_policy open {
        certificate  off;
        user         \$http_x_user;
        project      \$project;
        store_down   allow=1m;
    }
END
        gate  open;
        location /admin/ { gate off; gate_admin; }
END2
}
