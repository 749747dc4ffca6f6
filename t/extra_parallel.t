#!/usr/bin/perl

# Extra quota is given and taken back while two nodes send to one user at once,
# responses of known and of unknown length, by HTTP/1.1 and HTTP/2: what he gets
# is never more than the limit and the most that was in force at one time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $mib = 1024 * 1024;
my $limit = 6 * $mib;
my $each = 2 * $mib;
my $size = 100_000;

my $t = Test::Gate->new;
my $noon = $t->noon;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', $size);
my $redis = $t->redis;
my @port = ($t->{port}, $t->port);

$t->nginx(conf($_), port => $_) for @port;

is(status($_), 200, "node $_ passes what fits") for 0, 1;

my $received = 2 * $size;

# six take what they get until all is over; the seventh gives and takes back

my @said = $t->parallel(7, sub { $_[0] == 6 ? gives() : takes($_[0]) });
my $admin = pop @said;

like($admin, qr/^12 given, [1-9]\d* used$/, 'extra was given, taken back, and used');

my $pieces = 0;

for (@said) {
    my ($bytes, $cut, $odd) = split ' ', $_, 3;

    $received += $bytes;
    $pieces += $cut;
    is($odd, '-', 'whole, refused, or cut where the length is unknown');
}

cmp_ok($received, '>', $limit, "$received bytes: what was given was taken");
cmp_ok($received, '<=', $limit + 2 * $each,
       'never more than what was in force');
is($t->settled($redis, '{alice}:counted', 'bytes-day', $received), $received,
   'Redis has what was received');

# two more, beside the one that is still in force: all fits that fits in these

give($each) for 1 .. 2;

my $all = $limit + 3 * $each;

$t->wait_for(sub { status(0) == 200 && ($received += $size) });
ok($t->wait_for(sub {
       my $passed = grep { status($_) == 200 } 0, 1;

       $received += $passed * $size;
       return $passed == 0 && $received > $all - 2 * $size;
   }, 20), "the rest of it passes: $received of $all");
cmp_ok($received, '<=', $all, 'and no more');
is($t->settled($redis, '{alice}:counted', 'bytes-day', $received), $received,
   'Redis has that');

$t->done;

# At most two are in force at a time; each until somebody used it, as long as
# there is anything in it that was not in force before.

sub gives {
    my ($used, @ids) = (0);

    for (1 .. 12) {
        my $had = $t->granted($redis, '{alice}:counted', 'bytes-day');

        push @ids, give($each);
        $used++ if $had < $limit + 2 * $each - 2 * $size && $t->wait_for(sub {
            $t->granted($redis, '{alice}:counted', 'bytes-day')
                > ($had > $limit ? $had : $limit);
        }, 20);

        next if @ids < 2;
        ask(DELETE => 'extra?id=' . shift @ids)->{status} == 204
            or die 'it is not taken back';
    }

    ask(DELETE => 'extra?id=' . shift @ids) while @ids > 1;
    $t->write_file('over', '');

    return "12 given, $used used";
}

sub takes {
    my ($n) = @_;

    my ($bytes, $pieces, %odd) = (0, 0);
    my %o = (port => $port[$n % 2]);

    # so that Redis sees some of each before it is over

    until (-e $t->dir . '/over') {
        my $known = rand() < 0.7;
        my $r = $t->as($n < 4 ? '1.1' : '2', 'alice',
                       $known ? '/document' : '/gzip/document', %o,
                       headers => { $known ? ()
                                    : ('Accept-Encoding' => 'gzip') });

        next if $r->{status} == 429;

        $bytes += length $r->{body};
        $odd{$r->{status}} = 1 if $r->{status} != 200;

        if ($known) {
            $odd{piece} = 1 if $r->{body} ne $document;

        } elsif (length $r->{body} < $size) {
            $pieces++;
        }
    }

    return "$bytes $pieces " . (join(' ', sort keys %odd) || '-');
}

sub give {
    my ($amount) = @_;

    my $r = ask(POST => 'extra', { user => 'alice', policy => 'counted',
                                   quota => 'bytes-day', amount => $amount });

    $r->{status} == 201 or die "not given: $r->{body}";

    return decode_json($r->{body})->{id};
}

sub ask {
    my ($method, $path, $body) = @_;

    return $t->get("/admin/v1/$path", method => $method,
                   $body ? (body => encode_json($body),
                            headers => { 'Content-Type' => 'application/json' })
                         : ());
}

sub status { return $t->as('1.1', 'alice', '/document', port => $port[$_[0]])
                      ->{status} }

sub conf {
    my ($port) = @_;

    return $t->conf(http => <<"END", server => <<'END2');
    gate_redis { server unix:$redis->{socket}; timeout 10s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=6m per=day $noon;
        lease        64k;
    }
END
        gate  counted;

        location /gzip/  { alias %%DIR%%/docs/; gzip on; gzip_types *; }
        location /admin/ { gate off; gate_admin write=on;
                           allow 127.0.0.1; deny all; }
END2
}
