package Test::Gate::Countries;

# Country databases as MaxMind's: networks to ISO codes, or to whole records
# with a continent and its code.

use strict;
use warnings;

use MaxMind::DB::Writer::Tree;

sub write {
    my ($file, %networks) = @_;

    my %types = (country => 'map', iso_code => 'utf8_string',
                 continent => 'map', code => 'utf8_string');

    my $tree = MaxMind::DB::Writer::Tree->new(
        ip_version               => 6,
        record_size              => 24,
        database_type            => 'GeoLite2-Country',
        languages                => ['en'],
        description              => { en => 'countries of a test' },
        alias_ipv6_to_ipv4       => 1,
        remove_reserved_networks => 0,
        map_key_type_callback    => sub { $types{ $_[0] } },
    );

    for my $network (sort keys %networks) {
        my $record = $networks{$network};

        $record = { country => { iso_code => $record } } unless ref $record;
        $tree->insert_network($network, $record);
    }

    open my $fh, '>:raw', $file or die "$file: $!";
    $tree->write_tree($fh);
    close $fh or die "$file: $!";

    return $file;
}

1;
