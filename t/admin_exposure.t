#!/usr/bin/perl

# v1/exposure: of each user and policy the most that he can take in a day and
# in a month, beside what he took; of each project what its largest user took.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::Gate;
use Test::Gate::Usage;
use Test::More;

my $t = Test::Gate->new;
my $noon = $t->noon;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('alpha/small', 1000);

my $redis = $t->redis;
my $usage = Test::Gate::Usage->new($t, $redis);
my $nginx = $t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    map \$uri \$project { ~/(?<p>alpha|beta)/ \$p; }
    map \$gate_user \$limit { default 1m; alice 20k; }

    gate_policy hard {
        certificate  off;
        user         \$http_x_user;
        project      \$project;
        quota        bytes=10k per=hour;
        quota        bytes=\$limit per=day $noon;
        quota        requests=100 per=day;
    }
    gate_policy soft {
        certificate  off;
        user         \$http_x_user;
        project      \$project;
        quota        bytes=1g per=day;
        overrun      finish;
    }
    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        project      \$project;
        quota        requests=100 per=day;
    }
END
        location /hard/     { gate hard;    alias %%DIR%%/docs/; }
        location /soft/     { gate soft;    alias %%DIR%%/docs/; }
        location /counted/  { gate counted; alias %%DIR%%/docs/; }
        location /admin/    { gate_admin; allow 127.0.0.1; deny all; }
END2

my $odd = '<{script}> "';

for my $user ('alice', 'bob', $odd) {
    is($t->get("/$_/alpha/small", headers => { 'X-User' => $user })->{status},
       200, "$_: $user") for qw(hard soft counted);

    is($usage->becomes('user', $user, '#total: 3000 3 3, alpha: 3000 3 3'),
       '#total: 3000 3 3, alpha: 3000 3 3', 'is written down')
        if $user ne $odd;
}

ok($t->wait_for(sub { @{ ask('by=users')->{rows} } == 3
                      && !grep { $_->{bytes} != 3000 }
                               @{ ask('by=users')->{rows} } }),
   'all of them were seen');

# alice took more some days ago, and much more before that

took(3, alice => 7000);
took(29, alice => 500);
took(40, alice => 1_000_000);

my %user = map { $_->{name} => $_ } @{ ask('by=users')->{rows} };

is("@{ $user{alice} }{qw(largest_day bytes)}", '7000 10500',
   'what she took in her largest day, and in 30 days');
is("@{ $user{bob} }{qw(largest_day bytes)}", '3000 3000', 'what he took');

# 24 hours of 10k are more than 20k a day, and less than 1m

is(most('alice', 'hard'), join(' ', 20 * 1024, 31 * 20 * 1024),
   'the smallest of her limits');
is(most('bob', 'hard'), join(' ', 240 * 1024, 31 * 240 * 1024), 'of his');
is(most($odd, 'hard'), most('bob', 'hard'), 'of one with an odd name');
is(most('alice', 'soft'), 'null null', 'a limit that may be overrun is none');
is(most('alice', 'counted'), 'null null', 'nor is one of requests');

# of whom Redis has usage, but no account

took(5, carol => 100);
%user = map { $_->{name} => $_ } @{ ask('by=users')->{rows} };
is(most('carol', 'hard'), 'null null', 'no limit is known of her');

# by project, and in pages

is(join(', ', map { "$_->{name} $_->{largest_day}" }
              @{ ask('by=projects')->{rows} }), 'beta 7000, alpha 3000',
   'projects by what their largest user took in a day');
is(join(' ', map { $_->{name} } @{ ask('by=users&limit=1')->{rows} }),
   'alice', 'the first page');
is(join(' ', map { $_->{name} } @{ ask('by=users&limit=5&skip=3')->{rows} }),
   'carol', 'another');
is(ask('by=users&limit=1')->{names}, 4, 'of so many');

is($t->get("/admin/v1/exposure?$_")->{status}, 400, "no question: $_")
    for '', 'by=', 'by=user', 'by=largest', 'by=users&limit=101',
        'by=users&limit=0', 'by=users&skip=-1';

# who does not wait for the answer, in HTTP/2, is not there when it comes

$redis->halt;
is($t->curl('/admin/v1/exposure?by=users', http => 2, seconds => 1)->{exit},
   28, 'the client goes away');
$redis->go_on;
is($t->get('/admin/v1/exposure?by=users')->{status}, 200, 'others go on');

# Redis does not answer, or somebody spoilt an account

$redis->command('SET', 'gate:{spoilt}:hard', 'x');
took(1, spoilt => 50);
%user = map { $_->{name} => $_ } @{ ask('by=users')->{rows} };
is(most('spoilt', 'hard'), 'null null', 'an account that is none');
is(most('alice', 'hard'), join(' ', 20 * 1024, 31 * 20 * 1024),
   'does not hide others');

$redis->halt;
is($t->get('/admin/v1/exposure?by=users')->{status}, 503,
   'Redis does not answer');
$redis->go_on;

$t->done;

sub ask {
    my ($query) = @_;

    return eval { decode_json($t->get("/admin/v1/exposure?$query")->{body}) }
           // {};
}

sub most {
    my ($user, $policy) = @_;

    my ($row) = grep { $_->{policy} eq $policy } @{ $user{$user}{policies} };

    return join ' ', map { $_ // 'null' } @$row{qw(day month)};
}

# So many days ago, of the project beta.

sub took {
    my ($days, $user, $bytes) = @_;

    my $date = strftime('%Y-%m-%d', gmtime(time - $days * 86400));

    my $month = $date =~ s/-\d+$//r;

    $redis->command('ZADD', "gate:{$date}/users", $bytes, $user);
    $redis->command('ZINCRBY', "gate:{$month}/users", $bytes, $user);
    $redis->command('ZADD', "gate:{$_}/largest", 'GT', $bytes, 'beta')
        for $date, $month;
    $redis->command('HSET', "gate:{$user}/projects:$date", 'beta',
                    "$bytes 1 1", '#total', "$bytes 1 1");
}
