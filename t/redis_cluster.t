#!/usr/bin/perl

# A cluster of three primaries and their replicas, behind two gateways: slots
# move, and a primary is killed, while users take what they may.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::Gate;
use Test::Gate::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $limit = 60;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document($_, 1000) for qw(document other);

my $cluster = Test::Gate::Cluster->new($t);
my @redis = $cluster->nodes;

# the gate is a user that may do what the README says, and no more

$t->write_file('password', "secret\n");
chmod 0600, $t->dir . '/password';

$_->command('ACL', 'SETUSER', 'gate', split / /,
            $t->rules('secret', qr/\+evalsha|\+zadd|\+cluster/)) for @redis;

my @ports = map { $t->port } 0, 1;
my @nginx = map { $t->nginx(conf(), port => $_) } @ports;

# users on each of the primaries

my %served;

for my $n (1 .. 12) {
    is(status("user$n", $n % 2), 200, "user $n");
    my $key = "gate:{user$n}:counted";
    my $node = $cluster->of($key);

    ok($t->wait_for(sub { settled($node, $key) == 1 }), 'is counted');
    $served{$node}++;
}

is(keys %served, 3, 'all primaries count');

# 10,000 more, over all slots

my @clients = map { $t->client(port => $_) } @ports;
my $moved = moved();
my %statuses;

for my $n (1 .. 10_000) {
    my $user = sprintf 'u%05d', $n;

    $statuses{ $clients[$n % 2]->request('/document',
                                         headers => { 'X-User' => $user })
                               ->{status} }++;
}

is_deeply(\%statuses, { 200 => 10_000 }, '10,000 users');
is(moved() - $moved, 0, 'each was asked of the primary that has his slot');

my $counted = <<'END';
local n, cursor = 0, '0'
repeat
    local page = redis.call('SCAN', cursor, 'MATCH', '*{u[0-9]*}:counted', 'COUNT', 1000)
    for _, key in ipairs(page[2]) do
        local hash = redis.call('HGETALL', key)
        for i = 1, #hash, 2 do
            if hash[i]:match('^requests%-1h:%d+$') then
                n = n + hash[i + 1]
            end
        end
    end
    cursor = page[1]
until cursor == '0'
return n
END

ok($t->wait_for(sub {
       my $sum = 0;
       $sum += $_->command('EVAL', $counted, 0) for @redis[0 .. 2];
       return $sum == 10_000;
   }, 30), 'the cluster has counted one request of each');

# While a slot moves, who has no account yet gets one at the new place, and who
# has keys at both waits until it is over.

my ($new, $old) = qw(new old);

is(status($old, 0, '/listed/document'), 200, 'an account of several keys');

for my $user ($new, $old) {
    my $slot = $redis[0]->command('CLUSTER', 'KEYSLOT', "{$user}");
    my $from = $cluster->of("{$user}");
    my ($to) = grep { $_ != $from } @redis[0 .. 2];
    my ($from_id, $to_id) = map { $_->command('CLUSTER', 'MYID') } $from, $to;

    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from_id);
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to_id);

    my $keys = sub {
        return @{ $from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 1000) };
    };
    my $move = sub {
        $from->command('MIGRATE', '127.0.0.1', $to->{port}, $_, 0, 1000)
            for @_;
    };
    my $end = sub {
        $move->($keys->());
        $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $to_id)
            for $to, $from;
    };

    if ($user eq $new) {
        is(status($user, 1), 200, 'a new account while its slot moves');
        $end->();
        next;
    }

    $move->(grep { /listed$/ } $keys->());
    delete $_->{connection} for @redis;

    my @got = $t->parallel(2, sub {
        return status($user, 1, '/listed/other') if $_[0] == 0;

        my $waits = $t->wait_for(sub {
            "@{[ map { $_->command('INFO', 'errorstats') } $from, $to ]}"
            =~ /TRYAGAIN/;
        });

        $end->();

        return $waits ? 'waited' : 'did not';
    });

    delete $_->{connection} for @redis;
    is_deeply(\@got, [ 200, 'waited' ], 'half of an account has moved: it waits');
}

# slots move from one to another under load, and nothing fails; accounts of
# more than one key, too

my @got = $t->parallel(5, sub {
    my ($n) = @_;

    return $cluster->reshard($redis[0], $redis[1], 400) if $n == 4;

    my (%seen, $user);

    for my $i (1 .. 300) {
        $user = "r$n." . int($i / 4);
        $seen{ status($user, $i % 2, $n % 2 ? '/listed/document'
                                            : '/document') }++;
    }

    return join ' ', map { "$_:$seen{$_}" } sort keys %seen;
});

delete $_->{connection} for @redis;

is_deeply(\@got, [ ('200:300') x 4, '' ],
          'while slots move, all that may pass does');

my ($elsewhere) = grep { $redis[1] == $cluster->of("gate:{$_}:counted") }
                  map { "m$_" } 1 .. 200;

ok($elsewhere, 'there is a user whose slot another has now');

# a primary is killed under load; its users get what they may, and no more

my @users = map { "k$_" } 0 .. 3;
my $victim = $cluster->of("gate:{$users[0]}:counted");

@got = $t->parallel(4, sub {
    my ($n) = @_;
    my ($passed, $tries, %seen) = (0, 0);
    my $ends = time + 60;

    while (time < $ends) {
        my $status = status($users[$n], $tries++ % 2);

        $seen{$status}++;
        $passed++ if $status == 200;
        last if $status == 429 || $passed > $limit;

        CORE::kill(KILL => $victim->{pid}) if $n == 0 && $passed == 20
                                              && !$seen{killed}++;
    }

    return "$passed " . join ',', grep { !/^(200|429|503|killed)$/ }
                                  keys %seen;
});

is_deeply(\@got, [ map { "$limit " } @users ],
          'a primary is killed: each gets the limit, and no other answer');

delete $_->{connection} for @redis;
$victim->kill;

for my $user (@users) {
    my $key = "gate:{$user}:counted";

    ok($t->wait_for(sub {
           eval { settled($cluster->of($key), $key) == $limit };
       }), "$user is counted where the slot is now");
}

for my $nginx (@nginx) {
    my $lost = $nginx->said(
        qr/\[error\].* redis is lost.*"127\.0\.0\.1:$victim->{port}"/);

    ok($lost == 1 || $lost == 2, "a worker says once that a primary is lost: $lost");
    ok($nginx->said(qr/others have the slots of/), 'and who has its slots');
}

# FLUSHALL of one primary

my $key = "gate:{$users[1]}:counted";

$cluster->of($key)->command('FLUSHALL');

my %after;
$after{ status($users[1], $_ % 2) }++ for 1 .. 6;

is_deeply([ grep { $_ == 200 } keys %after ], [],
          'a primary forgets: nobody gets more');

# nobody has the slot of a user: he waits, and is refused when nobody gets it;
# who has credit does not notice

my ($lonely, $credited) = qw(lonely credited);
my $owner = $cluster->of("{$lonely}");
my $slot = $owner->command('CLUSTER', 'KEYSLOT', "{$lonely}");

is(status($credited, 0, '/credit/document'), 200, 'a user with credit');
$owner->command('CLUSTER', 'DELSLOTS', $slot);
is(status($lonely, 0), 503, 'nobody has the slot: who needs it is refused');
is(status($credited, 0, '/credit/document'), 200, 'who has credit passes');
like(join("\n", map { $_->command('INFO', 'errorstats') }
                 grep { $_->{pid} } @redis), qr/CLUSTERDOWN/,
     'Redis said CLUSTERDOWN');
$owner->command('CLUSTER', 'ADDSLOTS', $slot);
ok($t->wait_for(sub { status($lonely, 0) == 200 }, 30),
   'the slot is back, and so is he');

# but for a look at its settings, which it may deny

is(join(' ', grep { $_ ne 'config|get' }
             map { my %entry = @$_; $entry{object} }
             map { @{ $_->command('ACL', 'LOG') } } grep { $_->{pid} } @redis),
   '', 'Redis denied nothing');

$t->done;

# in all slots of the window, for one may end while a user takes his

sub settled {
    my ($node, $key) = @_;

    my %account = @{ +eval { $node->command('HGETALL', $key) } // [] };

    return sum0 map { $account{$_} } grep { /^requests-1h:\d+$/ }
                                     keys %account;
}

# how often a node said that another has the slot

sub moved {
    return sum0 map { $_->command('INFO', 'errorstats')
                      =~ /^errorstat_MOVED:count=(\d+)/m } @redis;
}

sub status {
    my ($user, $node, $uri) = @_;

    return $t->as('1.1', $user, $uri // '/document',
                  port => $ports[$node])->{status};
}

sub conf {
    my @servers = map { "server  127.0.0.1:$_;" } ($cluster->ports)[0, 1, 4];

    return $t->conf(http => <<"END", server => <<'END2');
    gate_redis {
        @servers
        cluster  on;
        timeout  5s;

        username       gate;
        password_file  %%DIR%%/password;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=$limit per=1h;
        lease        1 idle=1s;
    }

    gate_policy credit {
        certificate  off;
        user         \$http_x_user;
        quota        requests=$limit per=1h;
        lease        20 idle=1h;
    }

    gate_policy listed {
        certificate  off;
        user         \$http_x_user;
        quota        requests=$limit per=1h;
        quota        documents=$limit per=day;
    }
END
        gate  counted;

        keepalive_requests  100000;

        location /credit/ {
            gate   credit;
            alias  %%DIR%%/docs/;
        }

        location /listed/ {
            gate   listed;
            alias  %%DIR%%/docs/;
        }
END2
}
