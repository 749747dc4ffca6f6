#!/usr/bin/perl

# Several servers: the primary among them is found, and followed when it moves
# or dies; what was counted stays.  The gate is a user that may do what the
# README says, and no more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my @ports = map { $t->port } 0 .. 2;
my @redis = map { $t->redis(port => $_) } @ports;

$t->write_file('password', "secret\n");
chmod 0600, $t->dir . '/password';

$_->command('ACL', 'SETUSER', 'gate', split / /,
            $t->rules('secret', qr/\+evalsha|\+zadd|\+role/)) for @redis;

follow(1, 0);
follow(2, 0);

my $nginx = $t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis {
        server   127.0.0.1:$ports[1];
        server   127.0.0.1:$ports[2];
        server   127.0.0.1:$ports[0];
        timeout  1s;

        username       gate;
        password_file  %%DIR%%/password;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
        lease        1 idle=1s;
    }
END
        gate  counted;
END2

is(served('alice'), 200, 'the primary is found, behind its replicas');
is(counted(0, 'alice', 1), 1, 'it counts');
ok($nginx->said(qr/\[notice\].* redis: it is not the primary: the next is/),
   'the error log tells of those that are not');
is($nginx->said(qr/\[error\]/), 0, 'which is no error');
is($nginx->said(qr/could not be understood/), 0,
   'nor is what the next ones say taken for what they said');

# it moves: nobody closes a connection

counted(1, 'alice', 1);
follow(1);
follow(0, 1);
follow(2, 1);

is(served('alice'), 200, 'it has moved: found again');
is(counted(1, 'alice', 2), 2, 'the new one counts on');

# it dies

counted(2, 'alice', 2);
$redis[1]->kill;
follow(2);
follow(0, 2);

is(served('alice'), 200, 'it has died: the next is found');
is(counted(2, 'alice', 3), 3, 'it counts on');

# and is back, as a replica

$redis[1]->start;
follow(1, 2);
$redis[2]->command('CLIENT', 'KILL', 'TYPE', 'normal');
delete $redis[2]{connection};

is(served('alice'), 200, 'a replica that was the primary is none');
is(counted(2, 'alice', 4), 4, 'the primary counts on');

my $passed = 4;

$t->wait_for(sub {
    my $status = status('alice');
    $passed++ if $status == 200;
    return $status == 429;
});
is($passed, 10, 'never more than the limit');

$t->done;

# has one follow another, or nobody

sub follow {
    my ($n, $primary) = @_;

    $redis[$n]->command('REPLICAOF', defined $primary
                                     ? ('127.0.0.1', $ports[$primary])
                                     : ('NO', 'ONE'));
    return unless defined $primary;

    $t->wait_for(sub {
        return $redis[$n]->command('INFO', 'replication')
               =~ /master_link_status:up/;
    }) or die "redis $n does not follow $primary";
}

sub status {
    my ($user) = @_;

    return $t->as('1.1', $user, '/document')->{status};
}

# who is not there for a moment is no verdict

sub served {
    my ($user) = @_;
    my $status;

    $t->wait_for(sub { ($status = status($user)) != 503 });

    return $status;
}

sub counted {
    my ($n, $user, $want) = @_;

    return $t->settled($redis[$n], "{$user}:counted", 'requests-1h', $want);
}
