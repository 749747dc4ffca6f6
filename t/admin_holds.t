#!/usr/bin/perl

# Holds by gate_admin: set on one node they are in force on the other; listed,
# replaced, lifted; who may do so, and what is told of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
$t->certificate('admin', email => 'admin@example.jp');
$t->certificate('alice', email => 'alice@example.jp');

my $redis = $t->redis;
my @port = ($t->port, $t->port);
my @nginx = map { $t->nginx(conf($port[$_]), port => $port[$_]) } 0, 1;

is(status($_, 'alice'), 200, "node $_: alice passes") for 0, 1;

# set

my $r = ask(POST => 'holds', { user => 'alice', reason => "asked \"why\"" });
my $hold = decode_json($r->{body});

is($r->{status}, 201, 'a hold is set');
like($hold->{id}, qr/^[0-9a-f]{16}$/, 'it has an id');
is("$hold->{kind} $hold->{subject}", 'user alice', 'who is held');
is($hold->{by}, 'admin@example.jp', 'by whom');
is($hold->{until}, undef, 'for ever');

for (0, 1) {
    ok($t->wait_for(sub { status($_, 'alice') == 403 }, 3),
       "node $_: alice is held");
    is(status($_, 'bob'), 200, "node $_: bob is not");
}

# listed, by the other node too

for my $port (@port) {
    my ($seen) = @{ decode_json(ask(GET => 'holds', undef, port => $port)
                                ->{body})->{holds} };

    is_deeply({ %$seen, since => 0 }, { %$hold, since => 0 }, 'it is listed');
}

# replaced, and lifted

$r = ask(POST => 'holds', { id => $hold->{id}, user => 'bob',
                            until => time + 3600, slow => 65536 });
is($r->{status}, 201, 'it is replaced');
ok($t->wait_for(sub { status(1, 'alice') == 200 }, 3), 'alice passes again');
is(status(0, 'bob'), 200, 'bob is only slowed');

is(ask(DELETE => "holds?id=$hold->{id}")->{status}, 204, 'it is lifted');
is(ask(DELETE => "holds?id=$hold->{id}")->{status}, 404, 'once');
is_deeply(decode_json(ask(GET => 'holds')->{body}), { holds => [] },
          'and listed no more');

# what is no hold

for ([ {}, 'of nobody' ], [ { user => 'a', org => 'b' }, 'of two' ],
     [ { user => '' }, 'of an empty user' ], [ { user => 1 }, 'of a number' ],
     [ { all => JSON::PP::false }, 'of all, or not' ],
     [ { country => 'Japan' }, 'of a country that is none' ],
     [ { certificate => 'abc' }, 'of a fingerprint that is none' ],
     [ { user => 'a', until => 5 }, 'that is over' ],
     [ { user => 'a', until => 'noon' }, 'until a text' ],
     [ { user => 'a', until => -1 }, 'until before 1970' ],
     [ { user => 'a', slow => 0 }, 'that slows to nothing' ],
     [ { user => 'a', slow => '64k' }, 'that slows to a text' ],
     [ { user => 'a', id => 'a b' }, 'with an odd id' ],
     [ { user => 'a', id => 'version' }, 'with an id that is taken' ],
     [ { user => 'a', reason => "a\nb" }, 'with a reason of two lines' ],
     [ { user => 'a' x 2000 }, 'of a user without end' ],
     [ { user => 'a', whatever => 1 }, 'with something else' ])
{
    my ($body, $what) = @$_;

    problem(ask(POST => 'holds', $body), 400, "a hold $what");
}

problem(ask(POST => 'holds', undef, body => $_), 400, "no object: $_")
    for '', '[]', '{', '"a"', '{"user":"a","user":"b"}', "{\"user\":\"\\u0000\"}",
        '{"user":"' . "\xff" . '"}';

problem(ask(DELETE => 'holds'), 400, 'lift which?');
problem(ask(DELETE => 'holds?id=nothing'), 404, 'nothing to lift');

# who may not

my @more = (body => '{"user":"carol"}');
my $json = 'application/json';

for ([ 403, 'look/v1/holds', {}, 'where nothing may be written' ],
     [ 403, 'admin/v1/holds', { Origin => 'https://evil.example' },
       'from a page of another origin' ],
     [ 403, 'admin/v1/holds', { Origin => "http://127.0.0.1:$port[0]" },
       'from the same host without TLS' ],
     [ 403, 'admin/v1/holds', { Origin => 'null' }, 'from a page of nowhere' ],
     [ 403, 'admin/v1/holds', { 'Sec-Fetch-Site' => 'cross-site' },
       'from another site' ],
     [ 403, 'admin/v1/holds', { 'Sec-Fetch-Site' => 'same-site' },
       'from a sister site' ],
     [ 415, 'admin/v1/holds', { 'Content-Type' => 'text/plain' }, 'as text' ],
     [ 415, 'admin/v1/holds',
       { 'Content-Type' => 'application/x-www-form-urlencoded' },
       'as a form' ],
     [ 415, 'admin/v1/holds', { 'Content-Type' => "${json}x" }, 'as another' ],
     [ 201, 'admin/v1/holds', { Origin => "https://127.0.0.1:$port[0]",
                                'Sec-Fetch-Site' => 'same-origin' },
       'from a page of this origin' ],
     [ 201, 'admin/v1/holds', { 'Content-Type' => "$json; charset=utf-8" },
       'as JSON, in more words' ])
{
    my ($status, $path, $headers, $what) = @$_;

    is($t->get("/$path", method => 'POST', port => $port[0], cert => 'admin',
               headers => { 'Content-Type' => $json,
                            Host => "127.0.0.1:$port[0]", %$headers },
               @more)->{status}, $status, "a hold $what: $status");
}

is($t->get('/admin/v1/holds', method => 'POST', port => $port[0],
           cert => 'alice', headers => { 'Content-Type' => $json },
           @more)->{status}, 403, 'by somebody who is no administrator');
is($t->get('/admin/v1/holds', method => 'POST', port => $port[0],
           headers => { 'Content-Type' => $json }, @more)->{status}, 403,
   'by nobody');
problem(ask(POST => 'holds', undef, body => '{"user":"' . 'a' x 20_000 . '"}'),
        413, 'too much at once');

# what was done is told: by whom, to whom; and what was not

for ([ 'hold-set', 'admin@example.jp', 'user alice', 'asked "why"' ],
     [ 'hold-lifted', 'admin@example.jp', 'user bob', '' ],
     [ 'admin-refused', 'admin@example.jp', '/admin/v1/holds',
       'This comes from a page of another origin.' ])
{
    my ($action, @want) = @$_;

    ok($t->wait_for(sub {
           grep { $_->{'event.action'} eq $action
                  && join('|', map { $_ // '' } @$_{qw(user.name gate.subject
                                                       message)})
                     eq join('|', @want) } events(1)
       }), "$action @want[0, 1] is told");
}

# as many as there may be

$redis->command('HSET', 'gate:holds', map { ("z$_", 'user=z') } 1 .. 1024);

my $many = ask(POST => 'holds', { user => 'eve' });

problem($many, 409, 'more than 1,024 holds');
like($many->{body}, qr/too many holds/, 'which is said');
$redis->command('HDEL', 'gate:holds', map { "z$_" } 1 .. 1024);
is(ask(POST => 'holds', { user => 'eve' })->{status}, 201, 'there is room');

# Redis has lost the scripts

$redis->command(qw(SCRIPT FLUSH));
is(ask(POST => 'holds', { user => 'frank' })->{status}, 201,
   'a Redis without scripts is told them');

# Redis does not answer: nothing is said to be done

$redis->halt;
is(ask(POST => 'holds', { user => 'dave' })->{status}, 503,
   'Redis does not answer');
$redis->go_on;

$t->done;

sub ask {
    my ($method, $path, $body, %o) = @_;

    $body = encode_json($body) if $body;

    return $t->get("/admin/v1/$path", method => $method, port => $port[0],
                   cert => 'admin',
                   defined $body ? (body => $body) : (), %o,
                   headers => { $method eq 'POST'
                                ? ('Content-Type' => 'application/json')
                                : () });
}

sub problem {
    my ($r, $status, $what) = @_;

    is($r->{status}, $status, $what) or diag($r->{body});
    is((eval { decode_json($r->{body}) } // {})->{status}, $status,
       "$what: as a problem");
}

sub status {
    my ($node, $user) = @_;

    return $t->get('/document', port => $port[$node],
                   headers => { 'X-User' => $user })->{status};
}

sub events {
    my ($node) = @_;

    return map { decode_json($_) } split /\n/,
           $t->read_file("events.$port[$node]")
           . $t->read_file("events.$port[0]");
}

sub conf {
    my ($port) = @_;

    return $t->conf(http => <<"END", server => <<'END2') =~ s/%%PORT%%/$port/gr;
    gate_redis { server unix:$redis->{socket}; }
    gate_audit file %%DIR%%/events.$port events=state;

    map \$gate_cert_email \$admin { admin\@example.jp 1; }

    gate_policy users {
        certificate  off;
        user         \$http_x_user;
        quota        requests=1000 per=day;
    }
    gate_policy admins { user \$gate_cert_email; require \$admin; }
END
        gate users;

        location /admin/ { gate admins; gate_admin write=on; }
        location /look/  { gate off; gate_admin; }
END2
}
