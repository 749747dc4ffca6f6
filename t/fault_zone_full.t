#!/usr/bin/perl

# A zone with less room than there are accounts: those unused longest make room
# once Redis has their count.  If all are in use a request is refused, and the
# error log says so once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $users = 400;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
$t->document('slow', 300_000);

my $redis = $t->redis;
my $full = qr/\[error\].*"gate_zone" is too small: all accounts are in use/;
my ($nginx, $port);

with_redis();
embedded();

$t->done;

sub with_redis {
    $port = $t->port;
    $nginx = $t->nginx(conf('gate_redis { server unix:%%DIR%%/redis0.sock; '
                            . 'timeout 5s; }'), port => $port);

    # whose connection stays, knows where his account was

    my $client = $t->client(port => $port);
    my @his = ('/document', headers => { 'X-User' => 'stays' });

    is($client->request(@his)->{status}, 200, 'one passes, and stays');

    # more users than there is room for, one after the other

    my $passed = grep { passes("user$_") } 1 .. $users;

    is($passed, $users, 'all users pass, sooner or later');
    ok($t->wait_for(sub { $client->request(@his)->{status} == 200 }),
       'where his account was is another one, he passes');
    is((grep { passes("user$_") } 1 .. $users), $users, 'and all once more');

    # each worker may say so once

    my $said = $nginx->said($full);

    cmp_ok($said, '<=', 2, 'the error log says it once a worker at most');

    my $wrong = 0;

    for (1 .. $users) {
        $wrong++ if $t->settled($redis, "{user$_}:counted", 'bytes-day', 2000)
                    != 2000;
    }

    is($wrong, 0, 'Redis has what each of them got, to the byte');
    is($t->settled($redis, '{stays}:counted', 'bytes-day', 2000), 2000,
       'of him, too');

    # all in use: downloads that do not end before they shall

    my @clients;

    while (@clients < $users) {
        my $client = $t->client(port => $port);

        $client->send('/slow', headers => { 'X-User' => 'long' . @clients });
        $client->more;

        last if $client->{buffer} =~ m{^HTTP/1\.1 503 };
        $client->{buffer} =~ m{^HTTP/1\.1 200 } or last;
        push @clients, $client;
    }

    cmp_ok(scalar @clients, '<', $users, 'the zone has no room for all');
    cmp_ok(scalar @clients, '>', 20, 'but for many');
    is(status('one-more'), 503, 'a further user is refused');
    ok($t->wait_for(sub {
           last_log() =~ /^503 "DENIED" "unavailable" "counted" "one-more"/
       }), 'as unavailable');
    cmp_ok($nginx->said($full), '>', 0, 'the error log says why');
    cmp_ok($nginx->said($full), '<=', 2, 'once a worker at most');
    is(status('long0'), 200, 'who has an account passes');

    $_->close for @clients;

    ok(passes('one-more'), 'when they have gone, he passes');
}

# Without Redis an account stays until its window is over.

sub embedded {
    $port = $t->port;
    $nginx = $t->nginx(conf(''), port => $port);

    my $n = 0;

    $n++ while $n < $users && status("user$n") == 200;

    cmp_ok($n, '<', $users, 'one host: not all users pass');
    cmp_ok($n, '>', 10, 'one host: but many');
    is(status('one-more'), 503, 'one host: a further one is refused');
    is(status('user0'), 200, 'one host: who was there passes');
    cmp_ok($nginx->said($full), '>', 0, 'one host: the error log says why');
    cmp_ok($nginx->said($full), '<=', 2, 'one host: once a worker at most');
}

# There is room as soon as others are settled.

sub passes {
    my ($user) = @_;

    return $t->wait_for(sub { status($user) == 200 });
}

sub status {
    my ($user) = @_;

    return $t->as('1.1', $user, '/document', port => $port, close => 1)
             ->{status};
}

sub last_log {
    return (split /\n/, $t->read_file('access.log'))[-1];
}

sub conf {
    my ($store) = @_;

    my $noon = $t->noon;

    return $t->conf(http => <<"END", server => <<'END2');
    $store
    gate_zone  64k;

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=1m per=day $noon;
        lease        4m idle=1h;
    }
END
        gate  counted;

        location /slow {
            limit_rate_after  1k;
            limit_rate        100;
        }
END2
}
