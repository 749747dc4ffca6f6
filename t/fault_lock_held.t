#!/usr/bin/perl

# A worker is killed while it holds the zone's lock, in the middle of a change:
# the others go on with the zone as if it had not been, and the counts hold.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Debugger;
use Test::More;

plan skip_all => 'gdb may not stop a process here'
    unless Test::Gate::Debugger::works();

my $size = 100_000;
my $limit = 10 * $size;

# functions that run under the lock, and how far into them

my %places = (
    'Redis' => [
        [ 'gate_lease_take', 0 ],
        [ 'gate_lease_take', 40 ],
        [ 'gate_lease_give', 0 ],
        [ 'gate_lease_grant', 0 ],
        [ 'gate_lease_claim', 10 ],
        [ 'ngx_http_gate_cells_alloc', 0 ],
        [ 'ngx_http_gate_cells_add', 60 ],
        [ 'ngx_http_gate_cells_activate', 16 ],
    ],
    'the zone' => [
        [ 'gate_ledger_draw', 0 ],
        [ 'gate_ledger_keep', 0 ],
        [ 'gate_lease_take', 0 ],
        [ 'gate_lease_give', 0 ],
        [ 'ngx_http_gate_cells_alloc', 20 ],
        [ 'ngx_http_gate_cells_add', 60 ],
    ],
);

my $t = Test::Gate->new;

$t->file_by_file;
$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $size);

my $redis = $t->redis;
my ($nginx, $port, %got);

for my $ledger ('Redis', 'the zone') {

    my @places = @{ $places{$ledger} };

    $port = $t->port;
    $nginx = $t->nginx(conf($ledger eq 'Redis'), port => $port);
    $nginx->{expected} = qr/exited\ on\ signal\ 9$
                            |zone\ "gate"\ was\ locked\ by/x;

    %got = ();

    for my $n (0 .. $#places) {
        killed("$ledger: $places[$n][0] $places[$n][1]", "user$n",
               @{ $places[$n] });
    }

    for my $user (sort keys %got) {
        $got{$user} += $size * passes($user);

        cmp_ok($got{$user}, '<=', $limit,
               "$ledger: $user got no more than the limit");
        cmp_ok($got{$user}, '>=', $limit - $size,
               "$ledger: $user got all but what the dead one had held");
    }

    $nginx->stop;

    for my $user ($ledger eq 'Redis' ? sort keys %got : ()) {
        my $granted = $t->granted($redis, "{$user}:counted", 'bytes-day');

        cmp_ok($granted, '>=', $got{$user}, "$ledger: has all that $user got");
        cmp_ok($granted, '<=', $got{$user} + $size,
               "$ledger: and at most what the dead one had held on top");
    }

    is($nginx->said(qr/exited on signal 9/), scalar @places,
       "$ledger: so many were killed");
}

$t->done;

sub killed {
    my ($what, $user, $function, $steps) = @_;

    my ($dies, $lives);

    $t->wait_for(sub { ($dies, $lives) = $nginx->workers; $lives });

    my $one = $t->client_of($dies, port => $port);
    my $other = $t->client_of($lives, port => $port);

    # one who comes there for the first time, or again

    got($user, ask($other, $user)) unless $function =~ /alloc|_add|_ledger_/;

    my $gdb = Test::Gate::Debugger->new($dies);

    $gdb->stop_in($function, $steps);
    $one->send('/document', headers => { 'X-User' => $user });

    # of this user, or of another one that was there before

    my @in = $gdb->stopped;

    ok(scalar(grep { /^ngx_http_gate_zone_/ } @in), "$what: stopped there")
        or diag("in @in");

    $other->send('/document', headers => { 'X-User' => "other.$user" });
    $gdb->kill;

    my $r = $other->response('GET');

    is($r->{status}, 200, "$what: another user, who waited, passes");

    # the master logs it when it has opened the lock

    ok($t->wait_for(sub { $nginx->said(qr/zone "gate" was locked by $dies$/)
                          == 1 }), "$what: it had the lock");

    got($user, $one->response('GET'));

    $t->wait_for(sub { 2 == grep { $_ != $dies } $nginx->workers });
    $t->wait_for(sub { $r = got($user, ask($other, $user));
                       $r->{status} == 200 });
    is($r->{status}, 200, "$what: the user passes");
}

sub ask {
    my ($client, $user) = @_;

    return $client->request('/document', headers => { 'X-User' => $user });
}

sub got {
    my ($user, $r) = @_;

    $got{$user} += length $r->{body} if $r->{status} == 200;

    return $r;
}

# How many pass before the quota refuses.

sub passes {
    my ($user) = @_;

    my $client = $t->client(port => $port);
    my ($n, $status) = (0);

    $t->wait_for(sub {
        $status = ask($client, $user)->{status};
        $n++ if $status == 200;
        return $status == 429 || $n * $size > $limit;
    }, 120);

    return $n;
}

sub conf {
    my ($redis) = @_;

    my $store = $redis ? 'gate_redis { server unix:%%DIR%%/redis0.sock; '
                         . 'timeout 5s; }' : '';
    my $noon = $t->noon;

    return $t->conf(http => <<"END", server => <<'END2');
    $store

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=$limit per=day $noon;
        lease        $size idle=1s;
    }
END
        gate  counted;

        location = /pid { gate off; return 200 $pid; }
END2
}
