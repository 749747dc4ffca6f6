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

# several: each is set and lifted by itself, or replaced

my %id = map { $_ => decode_json(ask(POST => 'holds',
                   encode_json({ user => $_ }))->{body})->{id}
         } qw(dora emil fred);

ok($t->wait_for(sub { all($_) eq '403' }), "$_ is held") for sort keys %id;
is(ask(POST => 'holds', qq({"id":"$id{emil}","user":"gina"}))->{status}, 201,
   'one of three is replaced');
ok($t->wait_for(sub { all('emil') eq '200' && all('gina') eq '403' }),
   'emil passes, gina is held');
is(ask(DELETE => "holds?id=$id{dora}")->{status}, 204, 'one is lifted');
is(ask(DELETE => "holds?id=$id{dora}")->{status}, 404, 'once');
ok($t->wait_for(sub { all('dora') eq '200' }), 'dora passes');
is(all('fred') . ' ' . all('gina'), '403 403', 'the others are held');
is(listed(), 'fred gina', 'and listed');

# one that ends by itself

my $lasts = 8 * ($ENV{TEST_PATIENCE} // 1);

ask(POST => 'holds', encode_json({ user => 'carol', until => time + $lasts }));
ok($t->wait_for(sub { all('carol') eq '403' }, 6), 'until a time');
ok($t->wait_for(sub { all('carol') eq '200' }, 20), 'it ends');

# as many as there may be; that of carol is no more, and makes room

my ($client, $set) = (undef, 0);

while ($set < 1100) {
    $client = $t->client if $set % 500 == 0;
    another($client, $set)->{status} == 201 or last;
    $set++;
}

is($set, 1022, '1,024 holds');

$r = another($client, 'more');

is($r->{status}, 409, 'and no more');
like($r->{body}, qr/too many holds/, 'which is said');
is(all('more'), '200', 'of whom it would have been');
ok($t->wait_for(sub { all('user1021') eq '403' }), 'those before are held');
is(all('fred'), '403', 'and those before them');
is(ask(DELETE => "holds?id=$id{fred}")->{status}, 204, 'one is lifted');
is(another($client, 'more')->{status}, 201, 'then there is room');

$t->done;

sub ask {
    my ($method, $path, $body) = @_;

    return $t->get("/admin/v1/$path", method => $method,
                   headers => { 'Content-Type' => 'application/json' },
                   defined $body ? (body => $body) : ());
}

sub another {
    my ($client, $n) = @_;

    return $client->request('/admin/v1/holds', method => 'POST',
                            body => qq({"user":"user$n"}),
                            headers => { 'Content-Type' =>
                                         'application/json' });
}

sub listed {
    return join ' ', sort map { $_->{subject} }
                     @{ decode_json(ask(GET => 'holds')->{body})->{holds} };
}

# what many connections get, to workers at random

sub all {
    my ($user) = @_;

    my %seen = map { $t->as('1.1', $user, '/small')->{status} => 1 } 1 .. 12;

    return join ' ', sort keys %seen;
}
