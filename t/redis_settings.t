#!/usr/bin/perl

# A Redis that may lose counts by its settings is warned of when the gate
# connects: once, not by each worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $evicts = qr/\[warn\].*redis may evict counts: .* "allkeys-lru"/;
my $forgets = qr/\[warn\].*redis keeps nothing on disk/;

my @plans = (
    [ 'eviction, nothing on disk', 1, 1,
      '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru' ],
    [ 'memory without bound, a log', 0, 0,
      '--maxmemory-policy', 'allkeys-lru', '--appendonly', 'yes' ],
    [ 'no eviction, snapshots', 0, 0,
      '--maxmemory', '100mb', '--save', '3600 1' ],
);

for my $n (0 .. $#plans) {
    my ($what, $evicting, $forgetting, @options) = @{ $plans[$n] };

    my $redis = $t->redis(options => \@options);
    my $port = $t->port;
    my $nginx = $t->nginx($t->conf(http => <<END =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis$n.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=1m per=day %%NOON%%;
    }
END
        server => '        gate  counted;'), port => $port);

    $t->wait_for(sub { $nginx->said(qr/redis connected/) == 2
                       && $redis->calls('config|get') });

    $t->wait_for(sub { $nginx->said($evicts) + $nginx->said($forgets)
                       == $evicting + $forgetting });

    is($nginx->said($evicts), $evicting, "$what: eviction");
    is($nginx->said($forgets), $forgetting, "$what: disk");
}

$t->done;
