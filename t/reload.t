#!/usr/bin/perl

# What a reload changes holds at once: a limit, up or down, and quotas that come
# and go.  What was counted stays, also that of a download in the middle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $kib = 1024;

my $t = Test::Gate->new;

$t->certificate($_, email => "$_\@example.jp") for qw(alice bob carol dave
                                                    erin frank grace);
$t->countries('203.0.113.0/24' => 'JP');
$t->document('large', 100 * $kib);
$t->document('small', $kib);

my $slow = $t->document('slow', 600 * $kib);
my $redis = $t->redis;
my ($nginx, $port);

$t->backend('chunked', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  sprintf("%x\r\n", length $slow), $slow, "\r\n0\r\n\r\n";
});

for my $ledger ('Redis', 'the zone') {

    $port = $t->port;

    my @conf = ($ledger eq 'Redis', 'bytes=300k');

    $nginx = $t->nginx(conf(@conf), port => $port);
    limits($ledger);
    raised($ledger);
    quotas($ledger);
    places($ledger);
    downloads($ledger);
}

$t->done;

# A limit that is another one now.

sub limits {
    my ($ledger) = @_;

    my @at = ($ledger eq 'Redis');

    is(get('large'), 200, "$ledger: 100k of 300k") for 1, 2;

    $nginx->reload(conf(@at, 'bytes=310k'));
    is(get('large'), 200, "$ledger: raised to 310k: 100k pass at once");
    is(get('small'), 200, "$ledger: raised to 310k: 1k, too");

    $nginx->reload(conf(@at, 'bytes=350k'));
    is(get('large'), 429, "$ledger: raised to 350k: 100k do not fit");
    is(get('small'), 200, "$ledger: raised to 350k: but 1k");

    $nginx->reload(conf(@at, 'bytes=302k'));
    is(get('small'), 429, "$ledger: lowered to 302k: nothing is left at once");

    $nginx->reload(conf(@at, 'bytes=150k'));
    is(get('small'), 429, "$ledger: lowered to 150k: nothing is left");

    # who was refused is not asked anew for a moment: another user

    is(get('large', cert => 'bob'), 200, "$ledger: bob: 100k of 150k");
    $nginx->reload(conf(@at, 'bytes=$limit'));
    is(get('large', cert => 'bob'), 200,
       "$ledger: bob: a variable, 202k: 100k pass at once");
    is(get('large', cert => 'bob'), 429,
       "$ledger: bob: a variable, 202k: and no more");
    is(get('small', cert => 'bob'), 200,
       "$ledger: bob: a variable, 202k: but 1k");

    return unless $ledger eq 'Redis';

    is($t->settled($redis, '{alice@example.jp}:staff', 'bytes-day',
                   302 * $kib), 302 * $kib,
       "$ledger: has all that was delivered");
    is($t->settled($redis, '{bob@example.jp}:staff', 'bytes-day', 201 * $kib),
       201 * $kib, "$ledger: bob: has all that was delivered");
}

# Who was refused a moment ago is not kept waiting.

sub raised {
    my ($ledger) = @_;

    my @at = ($ledger eq 'Redis');
    my @user = (cert => 'frank');

    $nginx->reload(conf(@at, 'bytes=150k'));
    is(get('large', @user), 200, "$ledger: 100k of 150k");
    is(get('large', @user), 429, "$ledger: and no more");

    $nginx->reload(conf(@at, 'bytes=250k'));
    is(get('large', @user), 200,
       "$ledger: raised to 250k: passes at once who was just refused");
}

# A quota that changes its place in the policy, or comes back.

sub places {
    my ($ledger) = @_;

    my @at = ($ledger eq 'Redis');
    my @user = (cert => 'grace');

    $nginx->reload(conf(@at, 'bytes=250k'));
    is(get('large', @user), 200, "$ledger: 100k of 250k") for 1, 2;

    $nginx->reload(conf(@at, 'requests=3', 'bytes=250k'));
    is(get('large', @user), 429,
       "$ledger: a quota before it: its count stays");
    is(get('small', @user), 200, "$ledger: a quota before it: $_ of 3")
        for 1 .. 3;

    $nginx->reload(conf(@at, 'bytes=250k', 'requests=3'));
    is(get('small', @user), 429,
       "$ledger: the other way round: requests stay");

    $nginx->reload(conf(@at, 'bytes=250k', 'requests=9'));
    is(get('large', @user), 429, "$ledger: the other way round: bytes stay");

    is($t->settled($redis, '{grace@example.jp}:staff', 'bytes-day',
                   203 * $kib), 203 * $kib,
       "$ledger: has what was delivered, once")
        if $ledger eq 'Redis';

    # what is delivered while nobody counts is not counted

    $nginx->reload(conf(@at, 'requests=9'));
    is(get('small', @user), 200, "$ledger: bytes removed");
    $nginx->reload(conf(@at, 'requests=9', 'bytes=250k'));
    is(get('large', @user), 429, "$ledger: bytes back, and what they were");

    # a zone is there as long as there is a quota, or Redis, which remembers

    if ($ledger eq 'Redis') {
        $nginx->reload(conf(@at));
        is(get('large', @user), 200, "$ledger: no quota at all");
        $nginx->reload(conf(@at, 'bytes=250k'));
        is(get('large', @user), 429,
           "$ledger: a quota again, and what it was");
    }

    # more quotas than an account has room for

    $nginx->reload(conf(@at, 'bytes=250k', map { "requests=$_ name=r$_" }
                                               7 .. 9));
    is(get('small', @user), 200, "$ledger: four quotas, three of them new");
    $nginx->reload(conf(@at, map { "requests=$_ name=r$_" } 8 .. 11));
    is(get('small', @user), 200, "$ledger: bytes make room for a fifth");
    $nginx->reload(conf(@at, 'bytes=250k'));

    return unless $ledger eq 'Redis';

    is(get('large', @user), 429, "$ledger: bytes are drawn anew");

    # what was idle when bytes made room, and requests before them, is not
    # given back

    my $has = $t->granted($redis, '{grace@example.jp}:staff', 'bytes-day');

    ok($has >= 204 * $kib && $has < 222 * $kib,
       "$ledger: still has what was delivered, and three leases on top at most")
        or diag("has $has");
}

# Quotas that were not there before, and are no longer.

sub quotas {
    my ($ledger) = @_;

    my @at = ($ledger eq 'Redis');
    my @user = (cert => 'erin');

    $nginx->reload(conf(@at, 'bytes=300k'));
    is(get('large', @user), 200, "$ledger: bytes alone") for 1, 2;

    $nginx->reload(conf(@at, 'bytes=300k', 'requests=2'));
    is(get('small', @user), 200, "$ledger: requests added: $_ passes")
        for 1, 2;
    is(get('small', @user), 429, "$ledger: requests added: a third does not");

    $nginx->reload(conf(@at, 'bytes=250k'));
    is(get('small', @user), 200, "$ledger: requests removed");
    is(get('large', @user), 429, "$ledger: requests removed: bytes stay");

    $nginx->reload(conf(@at, 'bytes=250k', 'requests=2'));
    is(get('small', @user), 429, "$ledger: requests back, and what they were");

    return unless $ledger eq 'Redis';

    is($t->settled($redis, '{erin@example.jp}:staff', 'bytes-day',
                   203 * $kib), 203 * $kib, "$ledger: has all bytes");
    is($t->settled($redis, '{erin@example.jp}:staff', 'requests-day', 2), 2,
       "$ledger: and the requests that were counted");
}

# A download that the reload finds in the middle.

sub downloads {
    my ($ledger) = @_;

    my @at = ($ledger eq 'Redis');

    for ([ 'carol', '/slow', 'a file' ],
         [ 'dave', '/chunked', 'of unknown length' ])
    {
        my ($user, $uri, $what) = @$_;

        $nginx->reload(conf(@at, 'bytes=1000k'));

        my $client = $t->client(cert => $user, port => $port);
        my @old = $nginx->workers;

        $client->send($uri, close => 1);
        $client->more while length $client->{buffer} < 10_000;

        # the new limit is less than the old one, and what was reserved counts

        $nginx->reload(conf(@at, 'bytes=650k'));
        ok(scalar(grep { -d "/proc/$_" } @old),
           "$ledger: $what: a reload during the download");
        is(get('large', cert => $user), 429,
           "$ledger: $what: beside it 100k of 650k do not fit")
            if $uri eq '/slow';

        my $r = $client->response('GET');

        ok($r->{whole} && $r->{body} eq $slow,
           "$ledger: $what: the download is whole and right");

        $t->wait_for(sub { !grep { -d "/proc/$_" } @old });
        $nginx->reload(conf(@at, 'bytes=701k'));
        is(get('large', cert => $user), 200,
           "$ledger: $what: it is counted once");
        is(get('small', cert => $user), 200,
           "$ledger: $what: it is counted once, to the last 1k");
        is(get('small', cert => $user), 429,
           "$ledger: $what: it is counted whole");

        next unless $ledger eq 'Redis';

        is($t->settled($redis, "{$user\@example.jp}:staff", 'bytes-day',
                       701 * $kib), 701 * $kib,
           "$ledger: $what: has all that was delivered");
    }
}

sub get {
    my ($name, %o) = @_;

    return $t->get("/$name", cert => 'alice', port => $port, %o,
                   close => 1)->{status};
}

sub conf {
    my ($redis, @quotas) = @_;

    my $store = $redis ? 'gate_redis { server unix:%%DIR%%/redis0.sock; '
                         . 'timeout 5s; }' : '';
    my $quotas = join '', map { "quota $_ per=day " . $t->noon . ";\n" }
                          @quotas;

    return $t->conf(http => <<"END", server => <<'END2');
    $store

    map \$gate_user \$limit { default 202k; }

    gate_policy staff {
        user  \$gate_cert_email;
        $quotas
    }
END
        gate  staff;

        limit_rate_after  101k;
        limit_rate        400k;

        location = /chunked { proxy_pass http://unix:%%DIR%%/chunked.sock; }
END2
}
