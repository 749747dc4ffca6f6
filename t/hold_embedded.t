#!/usr/bin/perl

# Holds where there is no gate_redis: they are set by gate_admin, are those of
# this host, on all of its workers, and last as long as its zone: a reload
# keeps them, and so does a worker's death.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $conf = $t->conf(workers => 2, http => <<'END', server => <<'END2');
    gate_policy open { certificate off; user $http_x_user; }
END
        gate  open;

        location /admin/ { gate off; gate_admin write=on; allow 127.0.0.1;
                           deny all; }
END2
my $nginx = $t->nginx($conf);

$nginx->{expected} = qr/worker process \d+ exited on signal 9$/;

is(all('alice'), '200', 'nobody is held');

my $r = ask(POST => 'holds', '{"user":"alice","reason":"lost"}');

is($r->{status}, 201, 'a hold without Redis is set');
ok($t->wait_for(sub { all('alice') eq '403' }), 'on all workers');
is(all('bob'), '200', 'of alice alone');

kill KILL => ($nginx->workers)[0];
ok($t->wait_for(sub { all('alice') eq '403' }), 'a worker dies: still held');

$nginx->reload($conf);
is(all('alice'), '403', 'after a reload, too');

my ($hold) = @{ decode_json(ask(GET => 'holds')->{body})->{holds} };

is("$hold->{kind} $hold->{subject} $hold->{reason}", 'user alice lost',
   'it is listed');
is(ask(DELETE => "holds?id=$hold->{id}")->{status}, 204, 'it is lifted');
ok($t->wait_for(sub { all('alice') eq '200' }), 'on all workers');

# one that ends by itself

my $lasts = 8 * ($ENV{TEST_PATIENCE} // 1);

ask(POST => 'holds', encode_json({ user => 'carol', until => time + $lasts }));
ok($t->wait_for(sub { all('carol') eq '403' }, 6), 'until a time');
ok($t->wait_for(sub { all('carol') eq '200' }, 20), 'it ends');

$t->done;

sub ask {
    my ($method, $path, $body) = @_;

    return $t->get("/admin/v1/$path", method => $method,
                   headers => { 'Content-Type' => 'application/json' },
                   defined $body ? (body => $body) : ());
}

# what many connections get, to workers at random

sub all {
    my ($user) = @_;

    my %seen = map { $t->as('1.1', $user, '/small')->{status} => 1 } 1 .. 12;

    return join ' ', sort keys %seen;
}
