#!/usr/bin/perl

# What policies count stays theirs through reloads, and is bounded: more policies
# than a small zone has places for are counted together, as are those that are no
# more once others need their place; and no sum ever falls.

use strict;
use warnings;

use FindBin;
use List::Util qw(sum0);
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $nginx = $t->nginx(conf(1 .. 8));

is(status($_), 200, "policy p$_") for 1 .. 8;

# a zone of 64k has places for four, and one for all others

is_deeply(counted(8), { p1 => 1, p2 => 1, p3 => 1, p4 => 1, '' => 4 },
          'some of them, and the others');
is_deeply(counted(8000, 'sent_bytes_total'),
          { p1 => 1000, p2 => 1000, p3 => 1000, p4 => 1000, '' => 4000 },
          'their bytes as well');

# workers of the configuration before may still count

$nginx->reload(conf(1, 5 .. 8));
is(status(5), 200, 'policy p5');
is_deeply(counted(6), { p1 => 1, '' => 5 },
          'a reload: those that are gone are not told, their places kept');
is(sum(), 9, 'a sum has them all');

$nginx->reload(conf(1, 5 .. 8));
is(status(5), 200, 'policy p5');
is_deeply(counted(10), { p1 => 1, p5 => 1, p6 => 0, p7 => 0, '' => 8 },
          'another: others have their places, and none is lost');
is(sum(), 10, 'nor of the sum');
is_deeply(counted(10_000, 'sent_bytes_total'),
          { p1 => 1000, p5 => 1000, p6 => 0, p7 => 0, '' => 8000 },
          'nor of bytes');

$nginx->reload(conf(1 .. 8));
is(status(1), 200, 'policy p1');
is_deeply(counted(11),
          { p1 => 2, p5 => 1, p6 => 0, p7 => 0, '' => 8 },
          'who has a place keeps it');

# as many as there may be, and more: several hundred kilobytes

my $port = $t->port;

$t->nginx(conf(1 .. 300) =~ s/gate_zone 64k/gate_zone 16m/r, port => $port);

my $r = $t->get('/metrics', port => $port);
my %lines;

$lines{$_}++ for $r->{body} =~ /^nginx_gate_requests_total\{policy="(\w*)"/mg;

ok($r->{whole}, 'an answer of many policies is whole');
cmp_ok(length $r->{body}, '>', 400_000, 'and large');
is(scalar keys %lines, 256, '255 policies, and all others');
is(scalar(grep { $_ != $lines{p1} } values %lines), 0, 'each in as many lines');
is(system("promtool check metrics < "
          . $t->write_file('scrape', $r->{body}) . ' > /dev/null'), 0,
   'promtool takes it');

$t->done;

# passed requests, or bytes, by policy, once they come to that sum

sub counted {
    my ($sum, $metric) = @_;

    my $labels = $metric ? '' : ',verdict="passed",reason=""';
    my %is;

    $metric //= 'requests_total';

    $t->wait_for(sub {
        %is = $t->get('/metrics')->{body}
              =~ /^nginx_gate_$metric\{policy="(\w*)"$labels\} (\d+)$/mg;
        return sum0(values %is) == $sum;
    });

    return { map { $_ => 0 + $is{$_} } keys %is };
}

sub sum {
    my $now = decode_json($t->get('/admin/v1/now')->{body});

    return sum0(map { $_->{requests} } @{ $now->{minutes} });
}

sub status {
    my ($policy) = @_;

    return $t->get("/p$policy/document", from => '203.0.113.1')->{status};
}

sub conf {
    my (@policies) = @_;

    return $t->conf(workers => 1, http => join('',
        "    gate_zone 64k;\n",
        map { "    gate_policy p$_ { certificate off; }\n" } @policies),
        server => join('',
        "        location = /metrics { gate_metrics; }\n",
        "        location /admin/ { gate_admin; }\n",
        map { "        location /p$_/ { gate p$_; alias %%DIR%%/docs/; }\n" }
        @policies));
}
