#!/usr/bin/perl

# What a quota counts may be something else than the user: an organisation's
# pool, a user in a project.  All quotas of a policy are taken, or none; and
# however many there are, a refusal says which it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $kib = 1024;

my $t = Test::Gate->new;

$t->certificate($_->[0], email => "$_->[0]\@example.jp",
                config => "CN = $_->[0]\nO = $_->[1]\n")
    for [ alice => 'Bridges' ], [ bob => 'Bridges' ], [ carol => 'Harbours' ];
$t->certificate('dave', email => 'dave@example.jp');
$t->countries('203.0.113.0/24' => 'JP');
$t->document($_, 40 * $kib) for qw(projects/a/1 projects/a/2 projects/a/3
                                   projects/b/1 projects/b/2);
$t->document('small', 1000);

my $redis = $t->redis;
my ($port, $second);

for my $ledger ('Redis', 'the zone') {
    my $conf = conf($ledger eq 'Redis');

    ($port, $second) = ($t->port, $t->port);

    my $nginx = $t->nginx($conf, port => $port);

    $t->nginx($conf, port => $second) if $ledger eq 'Redis';

    pool($ledger, $nginx);
    projects($ledger);
    many($ledger);
    account($ledger);
}

$t->done;

# 100k for all users of an organisation, three requests for each of them.

sub pool {
    my ($ledger, $nginx) = @_;

    my $at = '/pool/projects/a';

    is(get('alice', "$at/1"), '200', "$ledger: 40k of 100k by one");
    is(get('bob', "$at/1"), '200', "$ledger: 40k by another of the same pool");
    is(get('alice', "$at/2"), '429 pool', "$ledger: 40k more are too much");
    is(get('bob', "$at/2"), '429 pool', "$ledger: for both of them");
    is(get('carol', "$at/2"), '200', "$ledger: another pool is another one");
    ok($nginx->said(qr/refused: quota pool, .*user "bob\@example.jp"/),
       "$ledger: the error log says which quota, and who");

    # what the pool refused was no request of his

    is(get('bob', '/pool/small'), '200', "$ledger: a small one fits")
        for 2, 3;
    is(get('bob', '/pool/small'), '429 requests-day',
       "$ledger: three requests of bob are three");
    is(get('alice', '/pool/small'), '200',
       "$ledger: what refused bob alone is not alice's");

    is(get('dave', '/pool/small'), '403',
       "$ledger: who has no organisation is refused");

    return unless $ledger eq 'Redis';

    is(get('alice', "$at/1", $second), '429 pool',
       'a second node has the same pool');
    is($t->settled($redis, keyed('{Bridges}:pool/'), 'pool',
                   80 * $kib + 3000), 80 * $kib + 3000,
       'Redis has what the pool got');
    is($t->settled($redis, '{bob@example.jp}:pool', 'requests-day', 3), 3,
       'and how many requests bob had');
}

# Two documents for each user in each project.

sub projects {
    my ($ledger) = @_;

    my $at = '/project/projects';

    is(get('alice', "$at/a/$_"), '200', "$ledger: two of project a") for 1, 2;
    is(get('alice', "$at/a/3"), '429 taken', "$ledger: not a third");
    is(get('alice', "$at/a/1"), '200', "$ledger: one of the two again");
    is(get('alice', "$at/b/$_"), '200', "$ledger: two of project b") for 1, 2;
    is(get('bob', "$at/a/3"), '200', "$ledger: another user has his own");
}

# Seven quotas; the last one refuses, and the others have not taken anything.

sub many {
    my ($ledger) = @_;

    for my $n (1 .. 7) {
        my $user = "many$n";

        is(named($user, $n), '429 q' . $n, "$ledger: quota $n of 7 refuses");
        is(named($user, 0), '200', "$ledger: the others took nothing of it")
            for 1 .. 5;
        is(named($user, 0), '429 q1', "$ledger: five are five");
    }
}

# A name of an account is that of one user only.

sub account {
    my ($ledger) = @_;

    is(join(' ', map { named($_, 0) } ('a') x 5, 'a}b', 'a:q', 'a/2', '{a}'),
       '200 ' x 8 . '200', "$ledger: users with odd names are other users");
}

# Status, and which quota refused.

sub get {
    my ($user, $uri, $at) = @_;

    return said($t->get($uri, cert => $user, port => $at // $port,
                        close => 1));
}

# Of the quotas "n" has a limit of 0, the first one of 5.

sub named {
    my ($user, $n) = @_;

    return said($t->get('/many/small', port => $port, close => 1, headers => {
        'X-User' => $user, 'X-None' => $n }));
}

sub said {
    my ($r) = @_;

    return join ' ', $r->{status}, $r->{headers}{'gate-quota'} // ();
}

# The account of a quota with a key of its own.

sub keyed {
    my ($name) = @_;

    my ($key) = grep { /^gate:\Q$name\E[^:\/]+$/ }
                @{ $redis->command('KEYS', 'gate:*') };

    return ($key // 'gate:none') =~ s/^gate://r;
}

sub conf {
    my ($redis) = @_;

    my $store = $redis ? 'gate_redis { server unix:%%DIR%%/redis0.sock; '
                         . 'timeout 5s; }' : '';
    my $noon = $t->noon;
    my $maps = join '', map {
        "map \$http_x_none \$q$_ { default @{[ $_ == 1 ? 5 : 1000 ]}; $_ 0; }\n"
    } 1 .. 7;
    my $quotas = join '', map {
        "quota requests=\$q$_ per=@{[ $_ + 1 ]}h name=q$_;\n"
    } 1 .. 7;

    return $t->conf(http => <<"END", server => <<'END2');
    $store
    $maps
    map \$uri \$project { ~^/project/projects/(?<p>[^/]+)/ \$p; }

    gate_policy pool {
        user   \$gate_cert_email;
        quota  requests=3 per=day $noon;
        quota  bytes=100k per=day $noon key=\$gate_cert_org name=pool;
    }

    gate_policy project {
        user   \$gate_cert_email;
        quota  documents=2 per=day $noon key=\$gate_user:\$project name=taken;
    }

    gate_policy many {
        certificate  off;
        user         \$http_x_user;
        $quotas
    }
END
        add_header  Gate-Quota $gate_quota always;

        location /pool/    { gate pool; alias %%DIR%%/docs/; }
        location /project/ { gate project; alias %%DIR%%/docs/; }
        location /many/    { gate many; alias %%DIR%%/docs/; }
END2
}
