#!/usr/bin/perl

# gate_admin: what stands where, in what form it answers, and what a change
# must bring along before it is looked at.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->certificate('alice', email => 'alice@example.jp');

my $redis = $t->redis;
my $port = $t->port;

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; }

    gate_policy admin { user \$gate_cert_email; }

    server {
        listen  127.0.0.1:$port;
        location /admin/ { allow 127.0.0.1; deny all; gate_admin write=on; }
    }
END
        location /admin/ { gate admin; gate_admin write=on; }
        location /look/  { gate_admin; }
END2

# who asks is told what he may do

my $r = $t->get('/admin/v1/state', cert => 'alice');
my $state = decode_json($r->{body});

is($r->{status}, 200, 'the state');
is($r->{headers}{'content-type'}, 'application/json', 'as JSON');
is($r->{headers}{'cache-control'}, 'no-store', 'which nobody keeps');
is($r->{headers}{'x-content-type-options'}, 'nosniff', 'and nobody guesses');
is($state->{by}, 'alice@example.jp', 'it knows who asks');
ok($state->{write}, 'who may write');
ok($state->{node}, 'which node it is');
ok($t->wait_for(sub {
       decode_json($t->get('/admin/v1/state', cert => 'alice')->{body})
           ->{redis}{connected};
   }), 'that Redis is there');

$state = decode_json($t->get('/look/v1/state')->{body});
ok(!$state->{write}, 'elsewhere nobody may write');
is($state->{by}, '127.0.0.1', 'and who asks is an address');

is($t->get('/admin/v1/state')->{status}, 403, 'the gate is in front of it');
is($t->as('2', 'x', '/look/v1/state', method => 'HEAD')->{body}, '', 'HEAD');

# what is not there, in the words of RFC 9457

for ([ GET => '/look/v1/nothing', 404 ], [ GET => '/look/v1', 404 ],
     [ GET => '/look/v1/state/', 404 ], [ POST => '/look/v1/state', 405 ],
     [ DELETE => '/look/v1/state', 405 ])
{
    my ($method, $path, $status) = @$_;
    my $r = $t->get($path, method => $method);

    problem($r, $status, "$method $path");
    is($r->{headers}{allow}, $status == 405 ? 'GET, HEAD' : undef,
       "$method $path: and which methods there are");
}

$t->done;

sub problem {
    my ($r, $status, $what) = @_;

    is($r->{status}, $status, $what);
    is($r->{headers}{'content-type'}, 'application/problem+json',
       "$what: as a problem");

    my $problem = eval { decode_json($r->{body}) } // {};

    is($problem->{status}, $status, "$what: with its status");
    ok($problem->{title} && $problem->{detail}, "$what: and words");
}
