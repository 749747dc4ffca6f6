#!/usr/bin/perl

# The real world: of the 660,000 ranges of Debian's tor-geoipdb, made into a
# database by the quickstart, every 1,000th is in the country that it says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket qw(AF_INET6 inet_ntop inet_pton);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

is(system($^X, $t->top . '/conf-examples/quickstart/country.pl',
          "$t->{dir}/country.mmdb"), 0, 'the world as a database');

$t->document('report', 10);
$t->nginx($t->conf(server => 'add_header Country $gate_country;'));

my $client;
my $asked = 0;

agrees('/usr/share/tor/geoip', 'IPv4', 380, sub {
    return join '.', unpack 'C4', pack 'N', $_[0];
}, sub { return int(($_[0] + $_[1]) / 2) });

agrees('/usr/share/tor/geoip6', 'IPv6', 200, sub { return $_[0] }, sub {
    my ($first, $last) = map { inet_pton(AF_INET6, $_) } @_;

    # in the range: its last address with the last bit changed, or its first
    my $inner = $last ^ ("\0" x 15 . "\1");
    return inet_ntop(AF_INET6, $inner ge $first && $inner le $last
                               ? $inner : $first);
});

$t->done;

# The first, the last, and one address between them of each 1,000th range.  ?? is
# no country; 2002::/16 holds the IPv4 addresses once more.

sub agrees {
    my ($file, $what, $least, $address, $between) = @_;

    open my $in, '<', $file or die "$file: $!";

    my ($n, $ranges) = (0, 0);
    my @wrong;

    while (<$in>) {
        my ($first, $last, $country) = /^([^#,]+),([^,]+),(\S\S)$/ or next;
        next if $n++ % 1000 || $first =~ /^2002:/;

        $country = 'unknown' if $country eq '??';
        $ranges++;

        for ($first, $last, $between->($first, $last)) {
            my $from = $address->($_);
            my $found = country($from);

            push @wrong, "$from: $found, not $country"
                unless $found eq $country;
        }
    }

    is("@wrong[0 .. ($#wrong > 9 ? 9 : $#wrong)]", '',
       "$what: every 1,000th range agrees with the source");
    cmp_ok($ranges, '>=', $least, "$what: $ranges ranges");
}

sub country {
    my ($from) = @_;

    $client = $t->client if $asked++ % 500 == 0;

    return $client->request('/report', from => $from)->{headers}{country};
}
