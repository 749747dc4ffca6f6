#!/usr/bin/perl

# Extra quota: who is at his limit is given more of it, until its window ends,
# on all nodes; all nodes together give him no more than both.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $noon = $t->noon;

$t->countries('203.0.113.0/24' => 'JP');

$t->document('document', 1000);
$t->document("d$_", 1000) for 1 .. 5;
$t->certificate('admin', email => 'admin@example.jp');
$t->certificate('other', email => 'other@example.jp');

my $redis = $t->redis;
my @port = map { $t->port } 0 .. 2;
my @nginx = map { $t->nginx(conf($port[$_]), port => $port[$_]) } 0, 1;

$t->nginx(conf($port[2]) =~ s/gate_redis \{.*?\}//r, port => $port[2]);

# at the limit: 5,000 bytes, of which each response is 1,000

is(taken('alice', 5), 5, 'alice takes what she may');
is(join(' ', map { status($_, 'alice') } 0, 1), '429 429', 'and no more');

my $r = give(user => 'alice', policy => 'staff', quota => 'bytes-day',
             amount => 3000, reason => 'asked "why"');
my $extra = decode_json($r->{body});

is($r->{status}, 201, 'she is given more');
like($extra->{id}, qr/^extra-[0-9a-f]{16}$/, 'it has an id');
is(join(' ', @$extra{qw(user policy quota amount by reason)}),
   'alice staff bytes-day 3000 admin@example.jp asked "why"', 'what it is');

my ($quota) = grep { $_->{quota} eq 'bytes-day' } quotas('alice');

is($extra->{until}, $quota->{until}, 'until the end of the window');

ok($t->wait_for(sub { grep { /alice is|extra "alice"/ } known($_) }, 3),
   "node $_ knows it") for 0, 1;
is(taken('alice', 3), 3, 'she takes that, too, and no more');

ok($t->wait_for(sub { (quota('alice', 'bytes-day'))->{used} == 8000 }),
   'Redis counts all of it');
is_deeply([ @{ quota('alice', 'bytes-day') }{qw(limit extra used)} ],
          [ 5000, 3000, 8000 ], 'v1/user tells the limit, and what is beyond');
is(status(0, 'bob'), 200, 'bob has what he had');
is(quota('bob', 'bytes-day')->{extra}, 0, 'and was given nothing');

# the header of limits has both

my $h = $t->get('/document', port => $port[0],
                headers => { 'X-User' => 'alice' })->{headers};

like($h->{'ratelimit-policy'}, qr/"bytes-day";q=8000;/, 'what holds is told');

# two for the same quota add up; listed by all

give(user => 'alice', policy => 'staff', quota => 'bytes-day', amount => $_)
    for 1000, 1000;

for my $port (@port[0, 1]) {
    ok($t->wait_for(sub { 5000 == sum(listed($port)) }, 3), 'all are listed');
}

is(taken('alice', 2), 2, 'they add up');
is_deeply((grep { $_->{id} eq $extra->{id} } listed($port[1])),
          { %$extra, since => $extra->{since} }, 'as it was given');

# requests of a rolling window, and documents

is(taken('carol', 4, '/requests/document'), 4, 'carol: four requests an hour');

my $before = time;

$r = give(user => 'carol', policy => 'requests', quota => 'requests-1h',
          amount => 2);
cmp_ok(decode_json($r->{body})->{until}, '>=', $before + 3600,
       'until that window has passed');
cmp_ok(decode_json($r->{body})->{until}, '<=', time + 3602, 'and no longer');
is(waited('carol', 2, '/requests/document'), 2, 'two requests more');

my @documents = map { "/documents/d$_" } 1 .. 5;

is(join(' ', map { status(0, 'dave', $_) } @documents), '200 200 429 429 429',
   'dave: two documents');
give(user => 'dave', policy => 'documents', quota => 'documents-day',
     amount => 1);
ok($t->wait_for(sub { status(1, 'dave', $documents[2]) == 200 }, 3), 'a third');
is(status(0, 'dave', $documents[3]), 429, 'but no fourth');
is(status(0, 'dave', $documents[0]), 200, 'what he has had he has');

# taken back: no more draws; what was taken stays taken

give(user => 'erin', policy => 'staff', quota => 'bytes-day', amount => 20_000);
is(waited('erin', 7), 7, 'erin takes seven');

my ($hers) = grep { $_->{user} eq 'erin' } listed($port[0]);

is(ask(DELETE => "extra?id=$hers->{id}", undef, cert => 'other')->{status}, 204,
   'it is taken back');
is(ask(DELETE => "extra?id=$hers->{id}")->{status}, 404, 'once');
ok($t->wait_for(sub { status(0, 'erin') == 429 && status(1, 'erin') == 429 }),
   'she has no more');
ok($t->wait_for(sub { my $q = quota('erin', 'bytes-day');
                      $q->{extra} == 0 && $q->{used} >= 7000 }),
   'what she took stays taken');

# it ends by itself, by Redis' clock

is(taken('frank', 5), 5, 'frank is at his limit');

my ($now) = @{ $redis->command('TIME') };

$redis->command('HSET', 'gate:holds', 'extra-soon', "extra=frank policy=staff "
                . 'quota=bytes-day amount=1000000 until=' . ($now + 4));
$redis->command('HINCRBY', 'gate:holds', 'version', 1);
$redis->command('PUBLISH', 'gate:holds', '');
ok($t->wait_for(sub { status(0, 'frank') == 200 }, 3), 'he has more');
ok($t->wait_for(sub { status(0, 'frank') == 429 && status(1, 'frank') == 429
                      && time > $now + 3 }, 10), 'for a while');
is_deeply([ grep { $_->{user} eq 'frank' } listed($port[0]) ], [],
          'and it is listed no more');

# holds and extras do not mix

is(ask(DELETE => "holds?id=$extra->{id}")->{status}, 404, 'it is no hold');
is_deeply(decode_json(ask(GET => 'holds')->{body}), { holds => [] },
          'nor listed as one');
is(ask(POST => 'holds', { id => $extra->{id}, user => 'alice' })->{status}, 400,
   'nor replaced by one');

my $hold = decode_json(ask(POST => 'holds', { user => 'gina' })->{body});

is(ask(DELETE => "extra?id=$hold->{id}")->{status}, 404, 'a hold is no extra');
ok($t->wait_for(sub { status(0, 'gina') == 403 }), 'it is in force');
ask(DELETE => "holds?id=$hold->{id}");

# what cannot be given

my %good = (user => 'a', policy => 'staff', quota => 'bytes-day', amount => 1);

for ([ user => undef, 'to nobody' ], [ user => '', 'to an empty name' ],
     [ user => 1, 'to a number' ], [ user => 'a' x 256, 'to a long name' ],
     [ user => "a\nb", 'to two lines' ], [ policy => undef, 'of no policy' ],
     [ policy => 'other', 'of a policy that is none' ],
     [ policy => ['staff'], 'of a list' ], [ quota => undef, 'of no quota' ],
     [ quota => 'requests-1h', 'of another policy' ],
     [ quota => 'shared', 'of what others share' ], [ amount => undef, 'nothing' ],
     [ amount => 0, 'of 0' ], [ amount => -1, 'less than that' ],
     [ amount => 1.5, 'in pieces' ], [ amount => '1000', 'in letters' ],
     [ amount => 1_000_000_000_000_000, 'too much' ],
     [ reason => "a\x{1}", 'for an odd reason' ], [ reason => 5, 'for a number' ],
     [ reason => 'r' x 2000, 'for a long reason' ],
     [ until => time + 9, 'until somebody says so' ])
{
    my ($name, $value, $what) = @$_;
    my %body = (%good, $name => $value);

    delete $body{$name} unless defined $value;
    my $r = give(%body);

    is($r->{status}, 400, "$what: no") or diag($r->{body});
    is((eval { decode_json($r->{body}) } // {})->{status}, 400, "$what: told");
}

is(ask(DELETE => 'extra')->{status}, 400, 'take back what?');
is(ask(DELETE => 'extra?id=extra-0')->{status}, 404, 'that is none');
is(ask(POST => 'extra', \%good, path => 'look')->{status}, 403,
   'where nothing may be written');
is(ask(POST => 'extra', \%good, headers => { Origin => 'https://evil.example' })
   ->{status}, 403, 'from a page of another origin');
is($t->get('/admin/v1/extra', method => 'POST', port => $port[0],
           cert => 'admin', body => encode_json(\%good),
           headers => { 'Content-Type' => 'text/plain' })->{status}, 415,
   'as text');
is(ask(PUT => 'extra')->{status}, 405, 'no other method');

# hostile names

for my $name ('<script>"x"</script>', "x\x{202e}y", 'a%41 policy=other',
              'extra=b amount=9', 'ü' x 60)
{
    my $r = give(%good, user => $name, reason => $name);

    is($r->{status}, 201, length($name) . ' odd characters');
    is(decode_json($r->{body})->{user}, $name, 'as they are');
    ok($t->wait_for(sub {
        (grep { $_->{user} eq $name && $_->{reason} eq $name
                && $_->{policy} eq 'staff' } listed($port[1]))[0]
    }, 3), 'on the other node');

    ask(DELETE => 'extra?id=' . decode_json($r->{body})->{id});
}

# each is told, by whom

for ([ 'admin@example.jp', 'extra alice',
       'given 3000 of bytes-day, staff: asked "why"' ],
     [ 'other@example.jp', 'extra erin', 'taken back 20000 of bytes-day, staff'
     ])
{
    my @want = @$_;

    for my $port (@port[0, 1]) {
        ok($t->wait_for(sub {
               grep { $_->{'event.action'} eq 'admin'
                      && join('|', map { $_ // '' }
                              @$_{qw(user.name gate.subject message)})
                         eq join('|', @want) } events($port)
           }), "@want[0, 1] is told");
    }
}

# Redis forgets: nodes tell it again

$redis->command('FLUSHALL');
ok($t->wait_for(sub { grep { $_->{id} eq $extra->{id} } listed($port[0]) }),
   'known to the nodes');
ok($t->wait_for(sub {
       $redis->command('HGET', 'gate:holds', $extra->{id}) }), 'and to Redis');

# without Redis it is of this host

is(taken('alice', 5, '/document', 2), 5, 'one host: at the limit');
is(ask(POST => 'extra', { %good, user => 'alice', amount => 2000 }, node => 2)
   ->{status}, 201, 'given');
is(taken('alice', 2, '/document', 2), 2, 'and taken');
is(ask(DELETE => 'extra?id=' . (listed($port[2]))[0]{id}, undef, node => 2)
   ->{status}, 204, 'taken back');
is(status(2, 'alice'), 429, 'at the limit again');

$t->done;

sub give { return ask(POST => 'extra', { @_ }) }

sub ask {
    my ($method, $path, $body, %o) = @_;

    return $t->get('/' . ($o{path} // 'admin') . "/v1/$path",
                   method => $method, port => $port[$o{node} // 0],
                   cert => $o{cert} // 'admin',
                   $body ? (body => encode_json($body)) : (),
                   headers => { %{ $o{headers} // {} }, $method eq 'POST'
                                ? ('Content-Type' => 'application/json')
                                : () });
}

sub listed {
    my ($port) = @_;

    return @{ decode_json($t->get('/admin/v1/extra', port => $port,
                                  cert => 'admin')->{body})->{extra} };
}

sub sum { my $n = 0; $n += $_->{amount} for grep { $_->{user} eq 'alice' } @_;
          return $n }

sub quotas {
    my ($user) = @_;

    return map { @{ $_->{quotas} } }
           @{ decode_json(ask(GET => "user?name=$user")->{body})->{policies} };
}

sub quota {
    my ($user, $name) = @_;

    return (grep { $_->{quota} eq $name } quotas($user))[0];
}

sub known { return $nginx[$_[0]]->said(qr/quota \S+ is given: extra "alice"/)
                   ? 'alice is' : () }

sub status {
    my ($node, $user, $uri) = @_;

    return $t->get($uri // '/document', port => $port[$node],
                   headers => { 'X-User' => $user })->{status};
}

# How many responses there are, once it are so many, and with all that follow.

sub taken {
    my ($user, $want, $uri, @node) = @_;

    my $n = waited($user, $want, $uri, @node);

    return $n + grep { status($_, $user, $uri) == 200 } (@node ? @node : (0, 1))
                                                        x 2;
}

# So many of them, once they are let.

sub waited {
    my ($user, $most, $uri, @node) = @_;

    my ($n, $tries) = (0, 0);

    @node = (0, 1) unless @node;

    $t->wait_for(sub {
        $n++ if status($node[$tries++ % @node], $user, $uri) == 200;
        return $n == $most;
    });

    return $n;
}

sub events {
    my ($port) = @_;

    return map { decode_json($_) } split /\n/,
           $t->read_file("events.$port");
}

sub conf {
    my ($port) = @_;

    return $t->conf(http => <<"END", server => <<'END2') =~ s/%%PORT%%/$port/gr;
    gate_redis { server unix:$redis->{socket}; timeout 5s; }
    gate_audit file %%DIR%%/events.$port events=state;

    map \$gate_cert_email \$admin { ~^(admin|other)\@ 1; }

    gate_policy staff {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=5000 per=day $noon;
        quota        bytes=1g per=day key=all name=shared;
    }
    gate_policy requests {
        certificate  off;
        user         \$http_x_user;
        quota        requests=4 per=1h;
    }
    gate_policy documents {
        certificate  off;
        user         \$http_x_user;
        document     \$uri;
        quota        documents=2 per=day $noon;
    }
    gate_policy admins { user \$gate_cert_email; require \$admin; }
END
        gate  staff;
        gate_ratelimit_headers on;

        location /requests/  { gate requests; alias %%DIR%%/docs/; }
        location /documents/ { gate documents; alias %%DIR%%/docs/; }
        location /admin/     { gate admins; gate_admin write=on; }
        location /look/      { gate off; gate_admin; }
END2
}
