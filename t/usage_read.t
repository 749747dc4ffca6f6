#!/usr/bin/perl

# v1/usage: what Redis has of usage is read by the day and over many days, by
# users, projects, a user's projects and a project's users, in pages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::Gate;
use Test::Gate::Usage;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('alpha/small', 1000);

my $redis = $t->redis;
my $usage = Test::Gate::Usage->new($t, $redis);
my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    map $uri $project { ~^/(?<p>[^/]+)/ $p; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        project      $project;
    }
END
        gate  counted;
        location /admin/ { gate off; gate_admin; }
END2

# what the gate wrote is what it reads

is($t->as('1.1', 'alice', '/alpha/small')->{status}, 200, 'a request');
is($usage->becomes('user', 'alice', '#total: 1000 1 1, alpha: 1000 1 1'),
   '#total: 1000 1 1, alpha: 1000 1 1', 'is written down');

my ($yesterday, $today) = $usage->days;

is(rows("user=alice&from=$yesterday&to=$today"), 'alpha 1000 1 1',
   'a user, by project');
is(rows("project=alpha&from=$yesterday&to=$today"), 'alice 1000 1 1',
   'a project, by user');
is(rows("by=$_->[0]&from=$yesterday&to=$today"), $_->[1], "by $_->[0]")
    for [ users => 'alice 1000 0 0' ], [ projects => 'alpha 1000 0 0' ],
        [ largest => 'alpha 1000 0 0' ];

# many days need many questions, which wait for each other where the queue is
# short

my $narrow = $t->port;

$t->nginx($t->conf(http => <<'END', server => <<'END2'), port => $narrow);
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; queue 3; }
END
        location /admin/ { gate_admin; }
END2

my $long = strftime('%Y-%m-%d', gmtime(time - 399 * 86400));

for my $of ('by=users', 'by=largest', 'project=alpha') {
    my $r = $t->get("/admin/v1/usage?$of&from=$long", port => $narrow);

    is($r->{status}, 200, "$of: 400 days, by a queue of three");
    is((decode_json($r->{body})->{rows}[0] // {})->{bytes}, 1000,
       "$of: all of them");
}

# some days

my @days = map { sprintf '2026-02-%02d', $_ } 25 .. 28;
my %odd = map { $_ => text($_) } '<script> "', "\xe2\x80\xae{x}\n";

write_day($days[0], bob => { alpha => '100 1 1', beta => '50 2 2' },
          carol => { alpha => '70 1 1', $odd{'<script> "'} => '5 1 1' });
write_day($days[1], bob => { beta => '80 1 1' },
          $odd{"\xe2\x80\xae{x}\n"} => { alpha => '1 1 1' });
write_day($days[3], carol => { alpha => '40 1 1' });

my $all = "from=$days[0]&to=$days[3]";

is(rows("by=users&$all"), 'bob 230 0 0, carol 115 0 0, '
   . "\xe2\x80\xae{x}\n 1 0 0", 'users over days');
is(rows("by=projects&$all"),
   'alpha 211 0 0, beta 130 0 0, <script> " 5 0 0', 'projects');
is(rows("by=largest&$all"),
   'alpha 100 0 0, beta 80 0 0, <script> " 5 0 0',
   'projects by what their largest user took in a day');
is(rows("user=bob&$all"), 'beta 130 3 3, alpha 100 1 1', 'a user');
is(rows("user=carol&$all"), 'alpha 110 2 2, <script> " 5 1 1', 'another');
is(rows("project=alpha&$all"),
   "carol 110 2 2, bob 100 1 1, \xe2\x80\xae{x}\n 1 1 1", 'a project');

for my $name ('%3Cscript%3E%20%22', $odd{'<script> "'} =~ s/ .*//sr =~ s/#/%23/r) {
    is(rows("project=$name&$all"), 'carol 5 1 1', "a project: $name");
}

is(rows("by=users&$all&limit=1&skip=1"), 'carol 115 0 0', 'a page');
is(rows("by=users&$all&skip=5"), '', 'none');
is(rows("by=users&from=$days[2]&to=$days[2]"), '', 'a day without any');
is(rows('user=nobody'), '', 'nobody, today');
is(rows("by=users&to=$days[0]&limit=1"), 'bob 150 0 0', 'one day');

my $r = ask("user=bob&$all");

is(join(', ', map { "@{$_}{qw(day bytes requests documents)}" }
              @{ $r->{days} }),
   "$days[0] 150 3 3, $days[1] 80 1 1, $days[2] 0 0 0, $days[3] 0 0 0",
   'day by day');
is($r->{names}, 2, 'how many there are');
ok($r->{exact}, 'which is exact');

# months are read as such as far as they are whole, and say the same as their days

write_day($_->[0], bob => { alpha => "$_->[1] 1 1" })
    for [ '2026-01-31', 1000 ], [ '2026-02-01', 200 ], [ '2026-04-01', 7 ],
        [ '2026-05-31', 3000 ];
$redis->command('HSET', key('bob', 'projects', '2026-03'), alpha => '4 4 4',
                '#total' => '4 4 4');
$redis->command('ZADD', 'gate:{2026-03}/users', 4, 'bob');

my $spring = 'from=2026-01-31&to=2026-04-01';

is(rows("user=bob&$spring"), 'alpha 1311 8 8, beta 130 3 3',
   'a user: the last of January, two months, the first of April');
is(rows("by=users&$spring"), 'bob 1441 0 0, carol 115 0 0, '
   . "\xe2\x80\xae{x}\n 1 0 0", 'users');
is(rows("by=largest&$spring"),
   'alpha 1000 0 0, beta 80 0 0, <script> " 5 0 0', 'largest of a day');
is(rows('project=alpha&from=2026-02-01&to=2026-02-28'),
   "bob 300 2 2, carol 110 2 2, \xe2\x80\xae{x}\n 1 1 1", 'one month');
is(rows('project=alpha&from=2026-02-01&to=2026-02-27'),
   "bob 300 2 2, carol 70 1 1, \xe2\x80\xae{x}\n 1 1 1", 'less a day');
is(join(' ', map { $_->{bytes} || () }
             @{ ask("user=bob&$spring")->{days} }), '1000 200 150 80 7',
   'day by day, as before');
is(scalar @{ ask("user=bob&$spring")->{days} }, 61, 'all of them');
is(rows('by=users&from=2026-05-01&to=2026-06-30'), 'bob 3000 0 0',
   'a month without any');

$redis->command('DEL', key('bob', 'projects', '2026-03'), 'gate:{2026-03}/users');

# this month is whole when it is asked for until today

my $first = strftime('%Y-%m-01', gmtime);

is(rows("user=alice&from=$first"), 'alpha 1000 1 1', 'this month until today')
    if (gmtime)[3] > 1;
is(join(' ', map { $_->{bytes} } grep { $_->{day} eq $today }
             @{ ask("user=alice&from=$first")->{days} }), 1000, 'with its days');

# many: more than are asked for of a day

my (%of, %sum);

for my $n (1 .. 1500) {
    my $user = sprintf 'u%04d', $n;

    $of{1}{$user} = { many => join ' ', 10_000 - $n, 1, 1 };
    $of{2}{$user} = { many => join ' ', $n < 5 ? 1 : 20_000 + $n, 1, 1 };
    $sum{$user} = 10_000 - $n + ($n < 5 ? 1 : 20_000 + $n);
}

# who is late in one list and first in the other

$of{1}{late} = { many => '1 1 1' };
$of{2}{late} = { many => '99000 1 1' };
$sum{late} = 99_001;
$of{1}{u0700} = { many => '90000 1 1' };
$sum{u0700} += 90_000 - 9300;

write_day("2026-03-0$_", %{ $of{$_} }) for 1, 2;

my $want = join ', ', map { "$_ $sum{$_} 0 0" } 'u0700', 'late';
my $many = 'from=2026-03-01&to=2026-03-02';

is(rows("by=users&$many&limit=2"), $want, 'the first of many are right');
ok(ask("by=users&$many&limit=2")->{exact}, 'and it is known');
is(rows("project=many&$many&limit=2"), "u0700 $sum{u0700} 2 2, late 99001 2 2",
   'of a project, too');
ok(!ask("by=users&$many&limit=100")->{exact},
   'of those after it is known that they may not be');
is(join(' ', map { $_->{bytes} == $sum{ $_->{name} } ? () : $_->{name} }
             @{ ask("by=users&$many&limit=100")->{rows} }), '',
   'but not what they took');
is(scalar @{ ask('by=users&to=2026-03-01&limit=1000')->{rows} }, 1000,
   'a page of 1,000');
is(ask('by=users&to=2026-03-01&limit=1000')->{names}, 1501, 'of a day');
is(scalar @{ ask('project=many&to=2026-03-01&limit=1000&skip=1000')->{rows} },
   501, 'the next');

# what cannot be asked

is(status($_), 400, $_) for '', 'by=', 'by=user', 'by=users&from=2026-02-31',
    'by=users&from=x', 'by=users&to=2026-13-01', 'by=users&limit=0',
    'by=users&limit=1001', 'by=users&skip=-1', 'by=users&to=2026-2-1',
    'by=users&from=2026-02-02&to=2026-02-01', 'user=x&to=1969-12-31',
    'by=users&from=2025-01-01&to=2026-02-05';
is(status('by=users&from=2025-01-01&to=2026-02-04'), 200, '400 days');

# somebody wrote something else there

$redis->command('SET', "gate:{broken}/projects:$today", 'x');
is(status('user=broken'), 503, 'what cannot be read');
$redis->halt;
is($t->curl('/admin/v1/usage?user=alice', http => 2, seconds => 1)->{exit}, 28,
   'who does not wait for the answer, in HTTP/2, harms nobody');
is(status('user=alice'), 503, 'nor when Redis is away');
$redis->go_on;
ok($t->wait_for(sub { status('user=alice') == 200 }), 'and again');
is($redis->calls('keys', 'scan'), 0, 'nobody looks for keys');

$t->done;

sub ask {
    my ($query) = @_;

    return decode_json($t->get("/admin/v1/usage?$query")->{body});
}

sub status { return $t->get("/admin/v1/usage?$_[0]")->{status} }

sub rows {
    return join ', ', map {
        my $name = $_->{name};
        utf8::encode($name);
        "$name @{$_}{qw(bytes requests documents)}";
    } @{ ask($_[0])->{rows} };
}

sub text {
    my ($name) = @_;

    return '#' . sha256_hex($name) . " $name";
}

# As the gate does: what users took of projects, "bytes requests documents"; the
# month has the sums of its days, and the largest of them.

sub write_day {
    my ($date, %users) = @_;

    my (%projects, %top, %largest);

    for my $user (keys %users) {
        my @total = (0, 0, 0);

        for my $project (keys %{ $users{$user} }) {
            my @n = split / /, $users{$user}{$project};

            $total[$_] += $n[$_] for 0 .. 2;
            $projects{$project}{$user} = "@n";
            $top{projects}{$project} += $n[0];
            $largest{$project} = $n[0] if $n[0] > ($largest{$project} // 0);
        }

        $top{users}{$user} = $total[0];
        $redis->command('HSET', key($user, 'projects', $date),
                        %{ $users{$user} }, '#total' => "@total");
        add_month($user, 'projects', $date, %{ $users{$user} });
    }

    for my $project (keys %projects) {
        my @total = (0, 0, 0);

        for (values %{ $projects{$project} }) {
            my @n = split / /;
            $total[$_] += $n[$_] for 0 .. 2;
        }

        $redis->command('HSET', key($project, 'users', $date),
                        %{ $projects{$project} }, '#total' => "@total",
                        '#largest' => "$largest{$project} x");
        add_month($project, 'users', $date, %{ $projects{$project} });

        my $top = key($project, 'users', $date =~ s/-\d+$//r) . ':top';

        $redis->command('ZINCRBY', $top, (split / /, $projects{$project}{$_})[0],
                        $_) for keys %{ $projects{$project} };
    }

    $redis->command('ZADD', "gate:{$date}/$_->[0]", reverse %{ $_->[1] })
        for [ users => $top{users} ], [ projects => $top{projects} ],
            [ largest => \%largest ];

    my $month = $date =~ s/-\d+$//r;

    for my $what (qw(users projects)) {
        $redis->command('ZINCRBY', "gate:{$month}/$what", $top{$what}{$_}, $_)
            for keys %{ $top{$what} };
    }

    $redis->command('ZADD', "gate:{$month}/largest", 'GT', $largest{$_}, $_)
        for keys %largest;
}

sub add_month {
    my ($name, $what, $date, %rows) = @_;

    my $key = key($name, $what, $date =~ s/-\d+$//r);

    for my $row (keys %rows) {
        for my $field ($row, '#total') {
            my @had = split / /, $redis->command('HGET', $key, $field) // '0 0 0';
            my @more = split / /, $rows{$row};

            $redis->command('HSET', $key, $field,
                            join ' ', map { $had[$_] + $more[$_] } 0 .. 2);
        }
    }
}

sub key {
    my ($name, $what, $date) = @_;

    return 'gate:{' . ($name =~ s/ .*//sr) . "}/$what:$date";
}
