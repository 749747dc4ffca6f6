#!/usr/bin/perl

# A worker is killed in the middle of downloads and requests: the other one goes
# on, and a user gets what the limit leaves, less what the dead one had held.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 512 * 1024;
my $limit = 16 * $size;
my $requests = 60;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $long = $t->document('long', 2 * $size);

$t->document('document', $size);
$t->document('small', 1000);

my $redis = $t->redis;
my ($nginx, $port);

$t->backend('unknown', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  sprintf("%x\r\n", length $long), $long, "\r\n0\r\n\r\n";
});

for my $ledger ('Redis', 'the zone') {

    $port = $t->port;
    $nginx = $t->nginx(conf($ledger eq 'Redis'), port => $port);
    $nginx->{expected} = qr/worker process \d+ exited on signal 9$/;

    downloads($ledger);
    requests($ledger);
    question() if $ledger eq 'Redis';

    $nginx->stop;

    is($nginx->said(qr/exited on signal 9/), $ledger eq 'Redis' ? 3 : 2,
       "$ledger: so many were killed");
}

$t->done;

# Alice and Bob have downloads by both workers, Carol by the one that lives.

sub downloads {
    my ($ledger) = @_;

    my ($dies, $lives) = $nginx->workers;

    is(status('dave', '/bytes/document'), 200, "$ledger: Dave was there");

    my @cut = map { by($dies, @$_) } [ 'alice', '/bytes/long' ],
                                     [ 'alice', '/bytes/long' ],
                                     [ 'alice', '/unknown' ],
                                     [ 'bob', '/bytes/long' ];
    my @goes_on = map { by($lives, @$_) } [ 'alice', '/bytes/long' ],
                                         [ 'alice', '/unknown' ],
                                         [ 'bob', '/bytes/long' ],
                                         [ 'carol', '/bytes/long' ];

    begin($_) for @goes_on, @cut;
    kill_worker($dies);

    is(status('alice', '/bytes/document'), 200,
       "$ledger: the user passes at once");
    is(status('dave', '/bytes/document'), 200, "$ledger: so does another one");

    my (%got, %lost);

    for (@cut) {
        my $r = $_->{client}->response('GET');

        ok(!$r->{whole}, "$ledger: $_->{user}: a download is cut");
        $got{ $_->{user} } += length $r->{body};
        $lost{ $_->{user} } += length($long) - length $r->{body};
    }

    for (@goes_on) {
        my $r = $_->{client}->response('GET');

        ok($r->{whole} && $r->{body} eq $long,
           "$ledger: $_->{user}: a download of the other worker is whole");
        $got{ $_->{user} } += length $r->{body};
    }

    $got{alice} += $size;

    for my $user (qw(alice bob carol)) {
        my $lost = $lost{$user} // 0;

        $got{$user} += $size * passes($user, '/bytes/document', 30);

        cmp_ok($got{$user}, '<=', $limit,
               "$ledger: $user got no more than the limit");
        cmp_ok($got{$user}, '>', $limit - $lost - $size,
               "$ledger: $user got all but what the dead one had held");

        next unless $ledger eq 'Redis';

        my $account = "{$user}:bytes";

        $t->wait_for(sub { granted($account, 'bytes') <= $got{$user} + $lost },
                     8);

        cmp_ok(granted($account, 'bytes'), '>=', $got{$user},
               "$ledger: has all that $user got");
        cmp_ok(granted($account, 'bytes'), '<=', $got{$user} + $lost,
               "$ledger: and at most what the dead one had held on top");
    }

    is($t->settled($redis, '{dave}:bytes', 'bytes-day', 2 * $size), 2 * $size,
       "$ledger: has exactly what the others got")
        if $ledger eq 'Redis';
}

# Many at once, one of which kills a worker.

sub requests {
    my ($ledger) = @_;

    my ($dies) = $nginx->workers;

    is(status('dave', '/requests/small'), 200, "$ledger: Dave was there");

    my @came = $t->parallel(6, sub {
        my ($child) = @_;

        my @status;

        for (1 .. 8) {
            kill KILL => $dies if $child == 3 && $_ == 4;
            push @status, status('alice', '/requests/small');
        }

        return "@status";
    });

    my %n;
    $n{$_}++ for map { split } @came;

    my $got = ($n{200} // 0) + passes('alice', '/requests/small',
                                      2 * $requests);
    my $cut = $n{0} // 0;

    cmp_ok($got, '<=', $requests,
           "$ledger: requests: no more than the limit pass");
    cmp_ok($got, '>=', $requests - $cut,
           "$ledger: requests: all but those that were cut");
    is(status('dave', '/requests/small'), 200, "$ledger: Dave passes");

    return unless $ledger eq 'Redis';

    $t->wait_for(sub { granted('{alice}:requests', 'requests')
                       <= $got + $cut }, 8);

    my $granted = granted('{alice}:requests', 'requests');

    cmp_ok($granted, '>=', $got, "$ledger: requests: has all that passed");
    cmp_ok($granted, '<=', $got + $cut,
           "$ledger: requests: and at most those that were cut on top");
    is($t->settled($redis, '{dave}:requests', 'requests-day', 2), 2,
       "$ledger: requests: has exactly those of others");
}

# It has asked Redis for somebody: the other one asks anew, after a while.

sub question {
    my ($dies, $lives) = $nginx->workers;

    my $asks = $t->client_of($dies, port => $port);
    my $beside = $t->client_of($dies, port => $port);
    my $other = $t->client_of($lives, port => $port);

    $redis->halt;
    $asks->send('/bytes/small', headers => { 'X-User' => 'erin' });
    $beside->request('/pid') for 1 .. 3;
    kill_worker($dies);
    $redis->go_on;

    ok($t->wait_for(sub {
           $other->request('/bytes/small', headers => { 'X-User' => 'erin' })
                 ->{status} == 200;
       }, 30), 'a question of the dead one keeps nobody waiting for ever');
    is($t->settled($redis, '{erin}:bytes', 'bytes-day', 1000), 1000,
       'and what it was for is counted once');
}

# A download that is to come by this worker.

sub by {
    my ($worker, $user, $uri) = @_;

    return { user => $user, uri => $uri,
             client => $t->client_of($worker, port => $port) };
}

# Something of it has come.

sub begin {
    my ($download) = @_;

    my $client = $download->{client};

    $client->send($download->{uri}, close => 1,
                  headers => { 'X-User' => $download->{user} });
    $client->more while length $client->{buffer} < 10_000;
}

sub kill_worker {
    my ($worker) = @_;

    kill KILL => $worker;
    $t->wait_for(sub { 2 == grep { $_ != $worker } $nginx->workers });
}

# How many pass before the quota refuses.

sub passes {
    my ($user, $uri, $most) = @_;

    my ($n, $status) = (0);

    $t->wait_for(sub {
        $status = status($user, $uri);
        $n++ if $status == 200;
        return $status == 429 || $n == $most;
    }, 120);

    is($status, 429, "$uri: $user comes to the limit");

    return $n;
}

sub granted {
    my ($account, $unit) = @_;

    return $t->granted($redis, $account, "$unit-day");
}

sub status {
    my ($user, $uri) = @_;

    return $t->as('1.1', $user, $uri, port => $port, close => 1)->{status};
}

sub conf {
    my ($redis) = @_;

    my $store = $redis ? 'gate_redis { server unix:%%DIR%%/redis0.sock; '
                         . 'timeout 5s; }' : '';
    my $noon = $t->noon;

    return $t->conf(http => <<"END", server => <<'END2');
    $store

    gate_policy bytes {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=$limit per=day $noon;
    }

    gate_policy requests {
        certificate  off;
        user         \$http_x_user;
        quota        requests=$requests per=day $noon;
    }
END
        location /bytes/    { gate bytes; alias %%DIR%%/docs/; }
        location /requests/ { gate requests; alias %%DIR%%/docs/; }

        limit_rate_after  100k;

        location = /bytes/long {
            gate        bytes;
            limit_rate  512k;
            alias       %%DIR%%/docs/long;
        }

        location = /unknown {
            gate        bytes;
            limit_rate  512k;
            proxy_pass  http://unix:%%DIR%%/unknown.sock;
        }

        location = /pid { gate off; return 200 $pid; }
END2
}
