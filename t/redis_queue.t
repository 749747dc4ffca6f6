#!/usr/bin/perl

# While Redis does not answer, so many questions wait as "queue" says; who asks
# beyond that is refused at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $redis = $t->redis;
my $nginx = $t->nginx($t->conf(workers => 1, http => <<"END", server => <<'END2'));
    gate_redis {
        server   unix:$redis->{socket};
        timeout  1h;
        queue    4;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
    }
END
        gate  counted;
END2

is($t->as('1.1', 'first', '/document')->{status}, 200, 'Redis answers');

my @clients = map { $t->client } 1 .. 10;

$redis->halt;
$clients[$_]->send('/document', headers => { 'X-User' => "user$_" }) for 0 .. 9;

# what a worker asks for itself, as for a new epoch, waits in the same queue

my $answered = IO::Select->new(map { $_->{socket} } @clients);
my @now;

ok($t->wait_for(sub { (@now = $answered->can_read(0)) >= 6 }),
   'beyond the queue nobody waits');

my %now = map { $_ => 1 } @now;
my @refused = grep { $now{ $_->{socket} } } @clients;
my @waiting = grep { !$now{ $_->{socket} } } @clients;

is(join(' ', map { $_->response('GET')->{status} } @refused),
   join(' ', map { 503 } @refused), 'but is refused');
cmp_ok(scalar @waiting, '>', 0, 'others wait');

$redis->go_on;

is(join(' ', map { $_->response('GET')->{status} } @waiting),
   join(' ', map { 200 } @waiting), 'and pass when Redis answers');

$t->done;
