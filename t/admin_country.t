#!/usr/bin/perl

# A country that an administrator confirms, or forgets, and a last place: what
# one node was asked for, both follow; who did it is told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::Gate::Cluster;
use Test::More;

my %from = (JP => '203.0.113.5', DE => '198.51.100.5', nowhere => '192.0.2.5');

my $t = Test::Gate->new;

Test::Gate::Countries::write("$t->{dir}/country.mmdb",
    '203.0.113.0/24' => city('JP', 35.5, 139.5),
    '198.51.100.0/24' => city('DE', 50.1, 8.7));
$t->document('document', 1000);
$t->write_file('password', "secret\n");
chmod 0600, $t->dir . '/password';

my $redis = $t->redis;
my $servers = "server unix:$redis->{socket};";

# no more than what a gate needs for countries

$redis->command('ACL', 'SETUSER', 'gate', split / /,
                $t->rules('secret', qr/\+evalsha/));

my @port = ($t->port, $t->port);
my @nginx = map { $t->nginx(conf($port[$_]), port => $port[$_]) } 0, 1;

# a country

is(at('home', 'alice', 'JP', 0), 200, 'alice is at home');
refused('home', 'alice', 'DE', 'elsewhere she is refused');

is_deeply(change(country => { user => 'alice', policy => 'home',
                              country => 'de', confirmed => JSON::PP::true }),
          { user => 'alice', policy => 'home', country => 'DE',
            confirmed => JSON::PP::true, changed => JSON::PP::true },
          'a country is confirmed');
passes('home', 'alice', 'DE', 'it is usual now');
is(field('{alice}:home/countries', 'DE'), 'always', 'for ever');
cmp_ok($redis->command('TTL', 'gate:{alice}:home/countries'), '>',
       99 * 365 * 86400, 'also if she does not come');
refused('home', 'alice', 'nowhere', 'others are as unusual as they were');

ok(!change(country => { user => 'alice', policy => 'home', country => 'DE',
                        confirmed => JSON::PP::true })->{changed},
   'once more, it is what it was');

ok(change(country => { user => 'alice', policy => 'home', country => 'DE',
                       confirmed => JSON::PP::false })->{changed},
   'it is forgotten');
refused('home', 'alice', 'DE', 'and is usual no more');
is(field('{alice}:home/countries', 'DE'), undef, 'nothing is left of it');

ok(change(country => { user => 'alice', policy => 'home', country => 'unknown',
                       confirmed => JSON::PP::true })->{changed},
   'an unknown country is one, too');
passes('home', 'alice', 'nowhere', 'she may be where nobody knows');

# of a user with a name that is not plain, whom nobody saw

my $odd = "{o}d \x{fc}";
ok(change(country => { user => $odd, policy => 'home', country => 'DE',
                       confirmed => JSON::PP::true })->{changed},
   'of a user that was never here');
utf8::encode(my $bytes = $odd);
is(at('home', $bytes, 'DE', 1), 200, 'he comes from there');
refused('home', $bytes, 'JP', 'and from nowhere else');

# a place

is(at('travel', 'bob', 'JP', 0), 200, 'bob is in Japan');
refused('travel', 'bob', 'DE', 'nobody is in Germany so soon');
is_deeply(change(place => { user => 'bob', policy => 'travel' }),
          { user => 'bob', policy => 'travel', changed => JSON::PP::true },
          'his place is forgotten');
is($redis->command('EXISTS', 'gate:{bob}:travel/place'), 0,
   'nothing is left of it');
passes('travel', 'bob', 'DE', 'he may be anywhere');
refused('travel', 'bob', 'JP', 'but then he is there');
ok(!change(place => { user => 'carol', policy => 'travel' })->{changed},
   'of whom no place is known');

# who did it is told

for ([ 'user alice', 'policy home: country DE is confirmed' ],
     [ 'user alice', 'policy home: country DE is forgotten' ],
     [ 'user alice', 'policy home: country unknown is confirmed' ],
     [ 'user bob', 'policy travel: the last place is forgotten' ])
{
    my ($subject, $words) = @$_;

    ok(told('admin', $subject, $words), "$subject, $words, is told");
}

# what is no such change

my %whole = (user => 'alice', policy => 'home', country => 'DE',
             confirmed => JSON::PP::true);
my $marks = marks();

for ([ {}, 'of nothing' ], [ { %whole, user => '' }, 'of nobody' ],
     [ { %whole, user => 1 }, 'of a number' ],
     [ { %whole, user => 'a' x 256 }, 'of a user without end' ],
     [ { %whole, policy => 'none' }, 'of a policy that is none' ],
     [ { %whole, policy => undef }, 'of no policy' ],
     [ { %whole, policy => 'travel' }, 'of a policy that does not look' ],
     [ { %whole, country => 'Japan' }, 'of a country that is none' ],
     [ { %whole, country => '' }, 'of no country' ],
     [ { %whole, country => 'any' }, 'of all countries' ],
     [ { %whole, country => 'continent:EU' }, 'of a continent' ],
     [ { %whole, country => "D\0" }, 'of a country with a NUL' ],
     [ { %whole, confirmed => 'yes' }, 'with a text for true' ],
     [ { %whole, confirmed => undef }, 'that is neither' ],
     [ { %whole, more => 1 }, 'with something else' ])
{
    problem(ask('country', $_->[0]), 400, "a country $_->[1]");
}

for ([ {}, 'of nobody' ], [ { user => 'bob' }, 'of no policy' ],
     [ { user => 'bob', policy => 'none' }, 'of a policy that is none' ],
     [ { user => 'bob', policy => 'home' }, 'of a policy that does not look' ],
     [ { user => 'bob', policy => 'travel', more => 1 },
       'with something else' ])
{
    problem(ask('place', $_->[0]), 400, "a place $_->[1]");
}

problem($t->get("/admin/v1/$_", port => $port[0]), 405, "$_: only POST")
    for 'country', 'place';
problem(ask('country', \%whole, at => 'look'), 403, 'where nothing is written');
is(marks(), $marks, 'of all that nobody had to look again');

# Redis denied nothing of it, but for a look at its settings

is(join(' ', grep { $_ ne 'config|get' } map { { @$_ }->{object} }
             @{ $redis->command('ACL', 'LOG') }), '', 'Redis denied nothing');

# a hash that somebody spoilt, and no Redis: it is not said to be done

$redis->command('SET', 'gate:{spoilt}:home/countries', 'x');
problem(ask('country', { %whole, user => 'spoilt' }), 503, 'a spoilt hash');
ok(told('admin-refused', '/admin/v1/country',
        'Redis does not say that it is done.'), 'which is told');

$redis->halt;
problem(ask('place', { user => 'bob', policy => 'travel' }), 503,
        'Redis does not answer');
$redis->go_on;

$_->stop for @nginx;

# a cluster: it is the epoch of the server that has the user

my $cluster = Test::Gate::Cluster->new($t);

$_->command('ACL', 'SETUSER', 'gate', split / /,
            $t->rules('secret', qr/\+evalsha|\+cluster/)) for $cluster->nodes;

$servers = join ' ', 'cluster on;', map { "server 127.0.0.1:$_;" }
                                    $cluster->ports;

@port = ($t->port, $t->port);
@nginx = map { $t->nginx(conf($port[$_]), port => $port[$_]) } 0, 1;

for my $user (map { "user$_" } 1 .. 4) {
    is(at('home', $user, 'JP', 0), 200, "cluster: $user is at home");
    refused('home', $user, 'DE', "cluster: $user is refused elsewhere");

    for my $confirmed (JSON::PP::true, JSON::PP::false) {
        ok(change(country => { %whole, user => $user,
                               confirmed => $confirmed })->{changed},
           'cluster: a country is another');
        $confirmed ? passes('home', $user, 'DE', "cluster: $user is there")
                   : refused('home', $user, 'DE', "cluster: $user is refused");
    }
}

$t->done;

sub city {
    my ($country, $latitude, $longitude) = @_;

    return { country => { iso_code => $country },
             location => { latitude => $latitude, longitude => $longitude,
                           accuracy_radius => 20 } };
}

sub at {
    my ($policy, $user, $from, $node) = @_;

    return $t->get("/$policy/document", port => $port[$node],
                   from => $from{$from},
                   headers => { 'X-User' => $user })->{status};
}

sub passes { return becomes(200, @_) }

sub refused { return becomes(403, @_) }

sub becomes {
    my ($status, $policy, $user, $from, $what) = @_;

    for my $node (0, 1) {
        ok($t->wait_for(sub {
               at($policy, $user, $from, $node) == $status
           }, 8), "$what: node $node");
    }
}

sub ask {
    my ($path, $body, %o) = @_;

    my $at = $o{at} // 'admin';

    return $t->get("/$at/v1/$path", method => 'POST', port => $port[0],
                   body => encode_json($body),
                   headers => { 'Content-Type' => 'application/json' });
}

sub change {
    my $r = ask(@_);

    is($r->{status}, 200, 'it is done') or diag($r->{body});

    return eval { decode_json($r->{body}) } // {};
}

sub problem {
    my ($r, $status, $what) = @_;

    is($r->{status}, $status, $what) or diag($r->{body});
    is((eval { decode_json($r->{body}) } // {})->{status}, $status,
       "$what: as a problem");
}

sub told {
    my @want = @_;

    return $t->wait_for(sub {
        grep { join('|', '127.0.0.1', @want)
               eq join('|', map { $_ // '' } @$_{qw(user.name event.action
                                                  gate.subject message)}) }
             map { decode_json($_) }
                 split /\n/, $t->read_file("events.$port[0]")
    });
}

sub field { return $redis->command('HGET', "gate:$_[0]", $_[1]) }

sub marks { return $redis->command('HGET', 'gate:epoch', 'marks') }

sub conf {
    my ($port) = @_;

    return $t->conf(http => <<"END", server => <<'END2') =~ s/%%PORT%%/$port/gr;
    gate_redis {
        $servers
        username       gate;
        password_file  %%DIR%%/password;
        timeout        2s;
        usage_keep     off;
    }
    gate_audit file %%DIR%%/events.%%PORT%% events=state;

    gate_policy home {
        certificate      off;
        user             \$http_x_user;
        unusual_country  deny learn=0d min_days=1;
    }
    gate_policy travel {
        certificate  off;
        user         \$http_x_user;
        max_speed    900km/h deny;
    }
END
        location /home/    { gate home;   alias %%DIR%%/docs/; }
        location /travel/  { gate travel; alias %%DIR%%/docs/; }
        location /admin/   { gate_admin write=on; allow 127.0.0.1; deny all; }
        location /look/    { gate_admin; }
END2
}
