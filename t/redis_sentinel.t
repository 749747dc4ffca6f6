#!/usr/bin/perl

# Three Sentinels and their primary, which is killed under load: the new one is
# found, nobody gets more than the limit, and no verdict is wrong meanwhile.  The
# gate is a user that may do what the README says, and no more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Sentinels;
use Test::More;

my $limit = 100;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $group = Test::Gate::Sentinels->new($t);
my @redis = $group->redis;
my @sentinels = $group->sentinels;

$t->write_file('password', "secret\n");
chmod 0600, $t->dir . '/password';

user($_, qr{\+evalsha|\+zadd|\+role}) for @redis;
user($_, qr{switch-master}) for @sentinels;

my @nodes = map { $t->port } 0, 1;
my @nginx = map { $t->nginx(conf(), port => $_) } @nodes;

is(status('alice', 0), 200, 'the primary is found by a Sentinel');
is($t->settled($redis[0], '{alice}:counted', 'requests-1h', 1), 1,
   'and counts');

# load, on both nodes; then it is gone

my @got = $t->parallel(4, sub {
    my ($n) = @_;
    my ($passed, %seen) = (0);
    my $ends = 0;

    until ($ends) {
        my $status = status("user$n", $n % 2);

        $seen{$status}++;
        $passed++ if $status == 200;

        if ($n == 0 && $passed == 20 && !$seen{killed}++) {
            CORE::kill(KILL => $redis[0]{pid});
        }

        $ends = 1 if $status == 429 || $passed > $limit;
    }

    return "$passed " . join ',', grep { !/^(200|429|503|killed)$/ } keys %seen;
});

is_deeply(\@got, [ map { "$limit " } 1 .. 4 ],
          'nobody gets more than the limit, or less, or another answer');

# the Sentinels closed what was connected to a Redis whose role changed

delete $_->{connection} for @redis;
$redis[0]->kill;

my ($new) = grep { $_->command('ROLE')->[0] eq 'master' } @redis[1, 2];

ok($new, 'there is another primary');

for my $n (0 .. 3) {
    is($t->settled($new, "{user$n}:counted", 'requests-1h', $limit), $limit,
       "which has it, user $n");
}

for my $nginx (@nginx) {
    is($nginx->said(qr/\[error\].* redis is lost/), 2,
       'each worker says once that Redis is lost');
    is($nginx->said(qr/redis connected again after/), 2,
       'and once that it is back');
}

# A primary that steps down closes no connection, but its Sentinel tells.

my $before = $nginx[0]->said(qr/the primary has moved/);

ok($t->wait_for(sub { Test::Gate::Sentinels::linked(other($new)) }, 30),
   'a replica is there');
ok($t->wait_for(sub {
       my $done = eval { $sentinels[0]->command('SENTINEL', 'FAILOVER', 'main') };
       return defined $done && $done eq 'OK';
   }, 30), 'it takes over');

ok($t->wait_for(sub {
       status('bob', 0);
       return $nginx[0]->said(qr/the primary has moved/) > $before;
   }, 30), 'a failover: the Sentinel says that the primary has moved');
ok($t->wait_for(sub { status('carol', 0) == 200 }), 'and the new one is found');

# but for a look at its settings, which it may deny

delete $_->{connection} for @redis;

is(join(' ', grep { $_ ne 'config|get' }
             map { my %entry = @$_; $entry{object} }
             map { @{ $_->command('ACL', 'LOG') } } @redis[1, 2], @sentinels),
   '', 'nobody denied anything');

$t->done;

sub user {
    my ($server, $lines) = @_;

    $server->command('ACL', 'SETUSER', 'gate', split / /,
                     $t->rules('secret', $lines));
}

sub other {
    my ($primary) = @_;

    return (grep { $_ != $primary } @redis[1, 2])[0];
}

sub status {
    my ($user, $node) = @_;

    return $t->as('1.1', $user, '/document', port => $nodes[$node])->{status};
}

sub conf {
    return $t->conf(http => <<"END", server => <<'END2');
    gate_redis {
        @{[ $group->servers ]}
        timeout   1s;

        username       gate;
        password_file  %%DIR%%/password;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=$limit per=1h;
        lease        1 idle=1s;
    }
END
        gate  counted;
END2
}
