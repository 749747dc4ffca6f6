#!/usr/bin/perl

# Who comes to one worker while another has asked Redis about the same account
# waits for that answer as long as for one of his own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $redis = $t->redis;
my $nginx = $t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1m per=day %%NOON%%;
    }
END
    server => <<'END'));
        gate  counted;

        location = /pid { gate off; return 200 $pid; }
END

my @clients = map { $t->client_of($_) } $nginx->workers;

# both are connected to Redis

for my $n (0, 1) {
    ok($t->wait_for(sub { ask($clients[$n], "there-$n") == 200 }),
       "worker $n has Redis");
}

$redis->halt;

# he has not been there before: the first worker asks, the second one is told
# that it does

$_->send('/document', headers => { 'X-User' => 'alice' }) for @clients;

is($t->wait_for(sub { some(@clients) }, 1), 0, 'no answer without Redis');

$redis->go_on;

is($_->response('GET')->{status}, 200, 'and one from each with it')
    for @clients;
is($t->settled($redis, '{alice}:counted', 'bytes-day', 2000), 2000,
   'Redis has what came');

$t->done;

sub ask {
    my ($client, $user) = @_;

    return $client->request('/document', headers => { 'X-User' => $user })
                  ->{status};
}

# Whether anything has come.

sub some {
    my $in = '';

    vec($in, fileno $_->{socket}, 1) = 1 for @_;

    return scalar select $in, undef, undef, 0;
}
