#!/usr/bin/perl

# gate_audit redis in a cluster: the stream lies in the slot of its key, and has
# each event once, also when the primary that has it is silent for a moment.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::Gate::Cluster;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 100);
$t->write_file('password', "secret\n");
chmod 0600, $t->dir . '/password';

my $cluster = Test::Gate::Cluster->new($t);

$_->command('ACL', 'SETUSER', 'gate', split / /,
            $t->rules('secret', qr/\+evalsha|\+zadd|\+hlen|\+cluster|\+xadd/))
    for $cluster->nodes;

my $nginx = $t->nginx($t->conf(workers => 2, http => <<"END",
    gate_redis {
        cluster        on;
        username       gate;
        password_file  %%DIR%%/password;
        @{[ join "\n", map { "server 127.0.0.1:$_;" } $cluster->ports ]}
    }

    gate_policy all { certificate off; user \$http_x_user; }
END
    server => "gate all;\ngate_audit redis events=download;"));

ask(50);
is(written(50), 50, 'each event is there');
is(keys %{ { map { $_ => 1 } ids() } }, 50, 'once');

# while the primary that has it is frozen, events wait

my $node = $cluster->of('gate:events');

$node->halt;
ask(5);
$node->go_on;
is(written(55), 55, 'a primary that is silent for a moment: events wait');
is(keys %{ { map { $_ => 1 } ids() } }, 55, 'and come once');
is($nginx->said(qr/does not take events/), 0, 'nothing was dropped');

$t->done;


sub ask {
    my ($n) = @_;

    $t->get('/report', headers => { 'X-User' => "user$_" }) for 1 .. $n;
}


sub written {
    my ($n) = @_;

    my $len;

    $t->wait_for(sub {
        $len = $cluster->of('gate:events')->command('XLEN', 'gate:events');
        return $len >= $n;
    }, 30);

    return $len;
}


sub ids {
    return map { JSON::PP->new->utf8->decode($_->[1][1])->{'event.id'} }
           @{ $cluster->of('gate:events')->command('XRANGE', 'gate:events',
                                                   '-', '+') };
}
